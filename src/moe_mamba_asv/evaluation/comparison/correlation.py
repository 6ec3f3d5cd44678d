"""How alike two systems score."""

from typing import Literal

import numpy as np

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
    return Correlation(pearson=_coefficient(a, b), spearman=_coefficient(ranks(a), ranks(b)))


def ranks(values: np.ndarray) -> np.ndarray:
    """Places in ascending order, from 1, of values [trials]; equal ones share the mean of their places.

    >>> ranks(np.array([0.5, 0.1, 0.5]))
    array([2.5, 1. , 2.5])
    """
    _, kind, times = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(times)
    return ((2 * last - times + 1) / 2)[kind]


def _coefficient(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1])
