"""The few DET steps that decide an EER and the minima of costs, found without sorting all trials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.evaluation.metrics.det import DetSteps, checked_scores, counted_steps

#: ``(offset, miss_weight, fa_weight)`` of a cost ``offset + miss_weight p_miss + fa_weight p_fa``; weights above zero.
CostWeights = tuple[float, float, float]
#: Bins of equal width that a window is divided into, far below 2 ** 16. More leave less to sort, but take time too.
_BINS = 1024
#: How often, so that a wild score or two, or saturated ones, do not leave all others in one bin.
_DIVISIONS = 3
#: So many trials are sorted sooner than divided.
_FEW = 4096


def deciding_steps(bonafide: np.ndarray, spoof: np.ndarray, costs: Sequence[CostWeights] = ()) -> DetSteps:
    """Those steps of `det_steps` that decide the EER and the minima of costs; several times faster than all.

    The answer has the two steps between which misses overtake false alarms, for each cost one at which it is least,
    and the first and the last of all. Their thresholds and counts are those of `det_steps`, so `eer_of_steps` and the
    minima come out the same to the last bit. For all else (a curve, an AUC, a hull) take `det_steps`.

    Counts in bins of equal width tell which bins may hold such a step; what lies between the lowest and the highest of
    them is divided again, and what is left then is sorted. The bins decide how fast this is, never what it answers.

    Args:
        bonafide: scores of bona fide trials [bonafide], in any order.
        spoof: scores of spoofed trials [spoof], in any order.
        costs: those whose minima are wanted; none for the EER alone.

    Raises:
        ScoreError: a class without trials, or scores that are not finite.
    """
    bonafide, spoof = checked_scores(bonafide, "bona fide"), checked_scores(spoof, "spoofed")
    lowest, highest = _range(bonafide, spoof)
    below = math.nextafter(lowest, -math.inf)
    sought = _Sought(bonafide.size, spoof.size, costs)
    window = _Window(bonafide, spoof, below, misses=0, false_alarms=0)
    for _ in range(_DIVISIONS):
        if window.size > _FEW:
            window = _narrowed(window, sought)
    steps = window.steps()
    if steps.misses[0] > 0 or steps.false_alarms[0] < spoof.size:
        steps = _joined(_step(below, 0, spoof.size), steps)
    if steps.misses[-1] < bonafide.size or steps.false_alarms[-1] > 0:
        steps = _joined(steps, _step(highest, bonafide.size, 0))
    return steps


@dataclass(frozen=True)
class _Window:
    """All trials with scores in some range, and counts of those outside.

    Attributes:
        bonafide: scores of bona fide trials in it [bonafide], in any order.
        spoof: scores of spoofed trials in it [spoof], in any order.
        below: the threshold of the last step below it.
        misses: bona fide trials below it.
        false_alarms: spoofed trials above it.
    """

    bonafide: np.ndarray
    spoof: np.ndarray
    below: float
    misses: int
    false_alarms: int

    @property
    def size(self) -> int:
        """Trials in the window."""
        return self.bonafide.size + self.spoof.size

    def steps(self) -> DetSteps:
        """All steps in the window, and the last one below it."""
        steps = counted_steps(self.bonafide, self.spoof)
        thresholds = np.append(self.below, steps.thresholds[1:])
        return DetSteps(thresholds, steps.misses + self.misses, steps.false_alarms + self.false_alarms)


@dataclass(frozen=True)
class _Sought:
    """What is looked for, among how many trials of either class."""

    bonafide: int
    spoof: int
    costs: Sequence[CostWeights]

    def bins_of(self, misses: np.ndarray, false_alarms: np.ndarray) -> tuple[int, int]:
        """The first and the last bin to keep, by the counts at the edges [bins + 1].

        All is compared as `eer_of_steps` and the minima do it, in the same order of operations. Rounding keeps order;
        so no step of a bin costs less, by what is computed, than the misses below the bin and the false alarms above.
        """
        # The first edge with no fewer misses than false alarms; never that below the window.
        crossing = int(np.searchsorted(misses * self.spoof - false_alarms * self.bonafide, 0)) - 1
        first = last = crossing
        p_miss, p_fa = misses / self.bonafide, false_alarms / self.spoof
        for offset, miss_weight, fa_weight in self.costs:
            at_edges = offset + miss_weight * p_miss + fa_weight * p_fa
            least = at_edges.min()
            # One edge that costs least, and all bins in which it may be undercut.
            edge = int(np.flatnonzero(at_edges == least)[-1])
            bounds = offset + miss_weight * p_miss[:-1] + fa_weight * p_fa[1:]
            undercut = np.flatnonzero(bounds < least).tolist()
            first, last = min([first, edge, *undercut[:1]]), max([last, edge - 1, *undercut[-1:]])
        return first, last


def _narrowed(window: _Window, sought: _Sought) -> _Window:
    """The part of the window from the first bin that may hold a deciding step to the last."""
    low, high = _range(window.bonafide, window.spoof)
    scale = _BINS / (high - low) if high > low else 0.0
    if not 0 < scale < math.inf:  # a range that floating-point numbers cannot divide
        return window
    bonafide_bins, spoof_bins = _bins(window.bonafide, low, scale), _bins(window.spoof, low, scale)
    # One more, as the highest score is on an edge.
    bonafide, spoof = (np.bincount(of, minlength=_BINS + 1) for of in (bonafide_bins, spoof_bins))
    misses = window.misses + np.append(0, np.cumsum(bonafide))
    false_alarms = window.false_alarms + window.spoof.size - np.append(0, np.cumsum(spoof))
    first, last = sought.bins_of(misses, false_alarms)
    below = window.below
    filled = np.flatnonzero(bonafide[:first] + spoof[:first])
    if filled.size:
        _, below = _range(window.bonafide[bonafide_bins == filled[-1]], window.spoof[spoof_bins == filled[-1]])
    return _Window(
        window.bonafide[(bonafide_bins >= first) & (bonafide_bins <= last)],
        window.spoof[(spoof_bins >= first) & (spoof_bins <= last)],
        below,
        misses=int(misses[first]),
        false_alarms=int(false_alarms[last + 1]),
    )


def _bins(scores: np.ndarray, low: float, scale: float) -> np.ndarray:
    """Bins that never fall where scores rise: neither the difference nor the product does, however they are rounded."""
    scaled = scores - low
    scaled *= scale
    return scaled.astype(np.uint16)  # with 64 bits most of the time goes into fetching memory


def _range(bonafide: np.ndarray, spoof: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest score; one of the classes may be empty."""
    low = min(bonafide.min(initial=np.inf), spoof.min(initial=np.inf))
    return float(low), float(max(bonafide.max(initial=-np.inf), spoof.max(initial=-np.inf)))


def _step(threshold: float, misses: int, false_alarms: int) -> DetSteps:
    return DetSteps(np.array([threshold]), np.array([misses]), np.array([false_alarms]))


def _joined(low: DetSteps, high: DetSteps) -> DetSteps:
    return DetSteps(
        np.append(low.thresholds, high.thresholds),
        np.append(low.misses, high.misses),
        np.append(low.false_alarms, high.false_alarms),
    )
