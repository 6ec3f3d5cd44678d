"""Do trials called 80 % bona fide turn out bona fide four times in five?"""

from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.det import DetSteps


@dataclass(frozen=True)
class Reliability:
    """The bins of a reliability diagram, from low to high probability; all arrays are [bins].

    Attributes:
        lowest: the lowest probability in each bin.
        highest: the highest.
        mean_probability: of the trials in the bin.
        fraction_bonafide: of the trials in the bin.
        count: int64, how many trials.
        weight: what the trials of the bin weigh; the count, unless a prior was stated.
    """

    lowest: np.ndarray
    highest: np.ndarray
    mean_probability: np.ndarray
    fraction_bonafide: np.ndarray
    count: np.ndarray
    weight: np.ndarray


def reliability(steps: DetSteps, *, bins: int = 15, prior: float | None = None) -> Reliability:
    """Trials in bins of equal mass by their probability of being bona fide.

    A trial with ``r`` of all ``n`` trials strictly below it falls in bin ``floor(r bins / n)``. So without ties the
    bins hold the same number of trials, give or take one; trials that share a probability share a bin, whatever it
    then holds, and a bin that nobody falls in is left out.

    Without a prior, fractions are of the trials as they are: with another mix of classes than the one that the
    probabilities were meant for, the same system looks miscalibrated. With a prior, the bona fide trials together weigh
    that much and the spoofed ones the rest, whatever their numbers; means and fractions are of the weighted trials.

    Args:
        steps: DET steps counted on probabilities of bona fide, not on scores of another scale.
        bins: at most so many.
        prior: share of bona fide audio that the probabilities suppose; None takes that of the trials.

    Raises:
        ConfigError: fewer than one bin, or a prior outside (0, 1).
        ScoreError: a probability outside [0, 1].

    Source: bins of equal mass as in Nixon et al., Measuring calibration in deep learning, CVPR workshops 2019.

    Examples:
        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> table = reliability(det_steps(np.array([0.5, 1.0]), np.array([0.0, 0.25])), bins=2)
        >>> table.mean_probability.tolist(), table.fraction_bonafide.tolist(), table.count.tolist()
        ([0.125, 0.75], [0.0, 1.0], [2, 2])
    """
    probabilities = steps.thresholds[1:]
    if bins < 1:
        raise ConfigError(f"{bins} bins", wanted="one or more")
    if prior is not None and not 0 < prior < 1:
        raise ConfigError(f"a prior of {prior}", wanted="a share of bona fide between 0 and 1")
    if probabilities[0] < 0 or probabilities[-1] > 1:
        raise ScoreError(
            f"probabilities from {probabilities[0]:.4g} to {probabilities[-1]:.4g}",
            wanted="between 0 and 1",
            remedy="calibrated probabilities of bona fide, not raw scores",
        )
    bonafide = np.diff(steps.misses)
    count = bonafide - np.diff(steps.false_alarms)
    below = np.cumsum(count) - count
    starts = np.flatnonzero(np.diff(below * bins // count.sum(), prepend=-1))
    bonafide_weight, weight = bonafide, count
    if prior is not None:
        bonafide_weight = bonafide * (prior / steps.bonafide)
        weight = bonafide_weight + (count - bonafide) * ((1 - prior) / steps.spoof)
    weights = np.add.reduceat(weight, starts)
    return Reliability(
        lowest=probabilities[starts],
        highest=probabilities[np.append(starts[1:], probabilities.size) - 1],
        mean_probability=np.add.reduceat(weight * probabilities, starts) / weights,
        fraction_bonafide=np.add.reduceat(bonafide_weight, starts) / weights,
        count=np.add.reduceat(count, starts),
        weight=weights,
    )


def expected_calibration_error(table: Reliability) -> float:
    """ECE: how far, on average over trials, the mean probability of a bin is from its fraction of bona fide trials.

    ``ECE = sum_b weight_b |mean_probability_b - fraction_bonafide_b| / sum_b weight_b``, a fraction; 0 is calibrated as
    far as these bins can tell. It grows with the number of bins, so values of different numbers do not compare, and it
    is above zero by chance where trials are few.

    Args:
        table: of `reliability`.

    Source: Naeini et al., Obtaining well calibrated probabilities using Bayesian binning, AAAI 2015. It is the form
    for the probability of one class, not for the confidence of the chosen class.

    Examples:
        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> expected_calibration_error(reliability(det_steps(np.array([0.5, 1.0]), np.array([0.0, 0.25])), bins=2))
        0.1875
    """
    gaps = np.abs(table.mean_probability - table.fraction_bonafide)
    return float(table.weight @ gaps / table.weight.sum())
