"""How alike two systems score."""

from typing import Literal

import numpy as np
from scipy.stats import rankdata

from moe_mamba_asv.evaluation.comparison.result import Correlation


def correlations(
    a: np.ndarray, b: np.ndarray, is_bonafide: np.ndarray
) -> dict[Literal["pooled", "bonafide", "spoof"], Correlation]:
    """Of all trials together, and within each class.

    Any two systems that tell the classes apart are alike in that, so pooled they correlate; within a class only
    those do that find the same trials easy and the same trials hard. Fusion gains most where they do not.

    Args:
        a: scores [trials].
        b: of the same trials, by another system.
        is_bonafide: bool [trials].
    """
    return {
        "pooled": correlate(a, b),
        "bonafide": correlate(a[is_bonafide], b[is_bonafide]),
        "spoof": correlate(a[~is_bonafide], b[~is_bonafide]),
    }


def correlate(a: np.ndarray, b: np.ndarray) -> Correlation:
    """Pearson's coefficient of two systems' scores [trials], and Spearman's, which only asks for their order."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(pearson=None, spearman=None)
    return Correlation(pearson=_coefficient(a, b), spearman=_coefficient(rankdata(a), rankdata(b)))


def _coefficient(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])
