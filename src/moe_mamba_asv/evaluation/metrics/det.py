"""The exact steps of a DET curve, as counts: everything else in this folder is read off them."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from moe_mamba_asv.errors import ScoreError


@dataclass(frozen=True)
class DetSteps:
    """Errors at every threshold that makes a difference; step ``k`` rejects the ``k`` lowest distinct scores.

    Trials that share a score are accepted or rejected together, so that neither their order in a file nor which
    class is sorted first can move a number.

    Attributes:
        thresholds: float64 [steps], ascending; step ``k`` accepts ``score > thresholds[k]``; step 0 accepts all.
        misses: int64 [steps], bona fide trials rejected at each step, from 0 to all of them.
        false_alarms: int64 [steps], spoofed trials accepted at each step, from all of them to 0.
    """

    thresholds: np.ndarray
    misses: np.ndarray
    false_alarms: np.ndarray

    @property
    def bonafide(self) -> int:
        """Number of bona fide trials."""
        return int(self.misses[-1])

    @property
    def spoof(self) -> int:
        """Number of spoofed trials."""
        return int(self.false_alarms[0])

    @cached_property
    def p_miss(self) -> np.ndarray:
        """Fraction of bona fide trials rejected at each step."""
        return self.misses / self.bonafide

    @cached_property
    def p_fa(self) -> np.ndarray:
        """Fraction of spoofed trials accepted at each step."""
        return self.false_alarms / self.spoof


def det_steps(bonafide: np.ndarray, spoof: np.ndarray) -> DetSteps:
    """Count the errors at every distinct score.

    Args:
        bonafide: scores of bona fide trials [bonafide], in any order.
        spoof: scores of spoofed trials [spoof], in any order.

    Raises:
        ScoreError: a class without trials, or scores that are not finite.

    Source: the DET computation of the ASVspoof organisers' scoring scripts; they step through trials with the same
    score one by one, bona fide first, which never lowers a cost but may move the EER of a file full of ties.
    """
    return counted_steps(checked_scores(bonafide, "bona fide"), checked_scores(spoof, "spoofed"))


def counted_steps(bonafide: np.ndarray, spoof: np.ndarray) -> DetSteps:
    """As `det_steps`, of scores that were checked; one of the classes may be empty, but not both.

    Args:
        bonafide: float64 [bonafide], finite.
        spoof: float64 [spoof], finite.
    """
    # Values sort several times faster than their order does; where the bona fide ones went is looked up afterwards.
    thresholds = np.concatenate([[-np.inf], bonafide, spoof])
    thresholds.sort()
    last_of_its_score = np.append(thresholds[1:] != thresholds[:-1], True)
    rejected = np.flatnonzero(last_of_its_score)
    if rejected.size < thresholds.size:
        thresholds = thresholds[rejected]
    thresholds[0] = math.nextafter(thresholds[1], -math.inf)
    steps_of_bonafide = np.searchsorted(thresholds, np.sort(bonafide))
    misses = np.cumsum(np.bincount(steps_of_bonafide, minlength=thresholds.size))
    false_alarms = np.subtract(misses, rejected, out=rejected)
    false_alarms += spoof.size
    return DetSteps(thresholds, misses, false_alarms)


def det_curve(bonafide: np.ndarray, spoof: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of the DET curve, for a figure.

    Args:
        bonafide: scores of bona fide trials [bonafide].
        spoof: scores of spoofed trials [spoof].

    Returns:
        ``thresholds``, ``p_miss``, ``p_fa``, each [steps], the last two fractions. A trial is accepted where its
        score is above the threshold.

    Raises:
        ScoreError: a class without trials, or scores that are not finite.
    """
    steps = det_steps(bonafide, spoof)
    return steps.thresholds, steps.p_miss, steps.p_fa


def checked_scores(scores: np.ndarray, which: str) -> np.ndarray:
    """Scores as float64, if figures can be had from them.

    Args:
        scores: of one class [trials].
        which: the class, for the error.

    Raises:
        ScoreError: no trials, or scores that are not finite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.size == 0:
        raise ScoreError(f"no {which} trials", wanted="at least one of each class")
    if not np.isfinite(scores).all():
        raise ScoreError(f"{int((~np.isfinite(scores)).sum()):,} {which} scores are NaN or infinite", wanted="numbers")
    return scores
