"""What one threshold decides: counts first, and the fractions that are made of them."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.det import DetSteps


class ClassQuality(NamedTuple):
    """Precision, recall and F1 of one class, fractions; the precision of a class never decided for is NaN."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Decisions:
    """Every trial decided at one threshold; accepted is called bona fide, rejected is called spoofed.

    Attributes:
        threshold: accept where ``score > threshold``.
        bonafide_accepted: how many, rightly.
        bonafide_rejected: how many, wrongly: the misses.
        spoof_accepted: how many, wrongly: the false alarms.
        spoof_rejected: how many, rightly.
    """

    threshold: float
    bonafide_accepted: int
    bonafide_rejected: int
    spoof_accepted: int
    spoof_rejected: int

    @property
    def accuracy(self) -> float:
        """Right decisions over all trials; with one class rare, calling everything the other comes out high."""
        right = self.bonafide_accepted + self.spoof_rejected
        return right / (right + self.bonafide_rejected + self.spoof_accepted)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls of both classes: one half for every constant decision."""
        return (self.bonafide.recall + self.spoof.recall) / 2

    @property
    def bonafide(self) -> ClassQuality:
        """With bona fide as the class that is looked for."""
        return _quality(self.bonafide_accepted, missed=self.bonafide_rejected, wrongly=self.spoof_accepted)

    @property
    def spoof(self) -> ClassQuality:
        """With spoofs as the class that is looked for."""
        return _quality(self.spoof_rejected, missed=self.spoof_accepted, wrongly=self.bonafide_rejected)


def decisions_at(steps: DetSteps, threshold: float) -> Decisions:
    """Decide every trial at a threshold: accept where ``score > threshold``; a trial on it is rejected.

    With ``r`` right decisions for a class, ``m`` of its trials missed and ``w`` trials wrongly given to it:
    ``precision = r / (r + w)``, ``recall = r / (r + m)``, ``F1 = 2 r / (2 r + m + w)``.

    Args:
        steps: counted DET steps.
        threshold: on the scale of the scores; may be infinite.

    Raises:
        ScoreError: the threshold is NaN.

    Source: van Rijsbergen, Information Retrieval, 1979, for precision, recall and F1; Brodersen et al., The balanced
    accuracy and its posterior distribution, ICPR 2010.

    Examples:
        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> decided = decisions_at(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 0.0, 1.0])), 0.0)
        >>> decided.bonafide_accepted, decided.bonafide_rejected, decided.spoof_accepted, decided.spoof_rejected
        (1, 1, 1, 2)
        >>> decided.accuracy, decided.bonafide
        (0.6, ClassQuality(precision=0.5, recall=0.5, f1=0.5))
    """
    if math.isnan(threshold):
        raise ScoreError("a threshold that is NaN", wanted="a number on the scale of the scores")
    # Below the first threshold everything is accepted, as on it.
    step = max(int(np.searchsorted(steps.thresholds, threshold, side="right")) - 1, 0)
    misses, false_alarms = int(steps.misses[step]), int(steps.false_alarms[step])
    return Decisions(
        threshold=float(threshold),
        bonafide_accepted=steps.bonafide - misses,
        bonafide_rejected=misses,
        spoof_accepted=false_alarms,
        spoof_rejected=steps.spoof - false_alarms,
    )


def _quality(right: int, *, missed: int, wrongly: int) -> ClassQuality:
    return ClassQuality(
        precision=right / (right + wrongly) if right + wrongly else math.nan,
        recall=right / (right + missed),
        f1=2 * right / (2 * right + missed + wrongly),
    )
