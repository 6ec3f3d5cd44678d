"""The equal error rate."""

from typing import NamedTuple

import numpy as np

from moe_mamba_asv.evaluation.metrics.deciding import deciding_steps
from moe_mamba_asv.evaluation.metrics.det import DetSteps


class Eer(NamedTuple):
    """An equal error rate (fraction) and the threshold of its step: accept where ``score > threshold``."""

    value: float
    threshold: float


def equal_error_rate(bonafide: np.ndarray, spoof: np.ndarray) -> Eer:
    """The error rate where as large a fraction of bona fide is rejected as of spoof is accepted.

    On the exact DET steps, the one with the least ``|p_miss - p_fa|``; the EER is the mean of both there.

    Ties: trials that share a score move together. Where two neighbouring steps are equally close, one with more
    misses and one with more false alarms, the EER is the mean of the two and the threshold is that of the lower.
    So the number depends neither on the order of the trials nor on which of the two classes is called positive.
    "Equally close" is decided on integer counts, without rounding.

    Args:
        bonafide: scores of bona fide trials [bonafide].
        spoof: scores of spoofed trials [spoof].

    Raises:
        ScoreError: a class without trials, or scores that are not finite.

    Source: `compute_eer` of the ASVspoof organisers, which takes the first of two equally close steps.

    Examples:
        >>> equal_error_rate(np.array([1.0, 3.0, 4.0, 5.0]), np.array([-1.0, 0.0, 0.5, 2.0]))
        Eer(value=0.25, threshold=1.0)
    """
    return eer_of_steps(deciding_steps(bonafide, spoof))


def eer_of_steps(steps: DetSteps) -> Eer:
    """The EER of DET steps that are already counted; see `equal_error_rate`."""
    imbalance = steps.misses * steps.spoof - steps.false_alarms * steps.bonafide
    after = int(np.searchsorted(imbalance, 0))  # the first step with no fewer misses than false alarms; never step 0
    before = after - 1
    value = eer_at_crossing(
        steps.misses[before],
        steps.false_alarms[before],
        steps.misses[after],
        steps.false_alarms[after],
        bonafide=steps.bonafide,
        spoof=steps.spoof,
    )
    nearest = before if -imbalance[before] <= imbalance[after] else after
    return Eer(float(value), float(steps.thresholds[nearest]))


def eer_at_crossing(
    misses_before: np.ndarray,
    false_alarms_before: np.ndarray,
    misses_after: np.ndarray,
    false_alarms_after: np.ndarray,
    *,
    bonafide: np.ndarray | int,
    spoof: np.ndarray | int,
) -> np.ndarray:
    """The EER from the two steps between which misses overtake false alarms; arrays of one shape, or scalars.

    Args:
        misses_before: counts at the last step with the smaller fraction missed than falsely accepted.
        false_alarms_before: likewise.
        misses_after: counts at the step after it.
        false_alarms_after: likewise.
        bonafide: number of bona fide trials, to turn counts into fractions.
        spoof: of spoofed trials.
    """
    gap_before = false_alarms_before * bonafide - misses_before * spoof
    gap_after = misses_after * spoof - false_alarms_after * bonafide
    mean_before = (misses_before / bonafide + false_alarms_before / spoof) / 2
    mean_after = (misses_after / bonafide + false_alarms_after / spoof) / 2
    mean_nearest = np.where(gap_before < gap_after, mean_before, mean_after)
    return np.where(gap_before == gap_after, (mean_before + mean_after) / 2, mean_nearest)
