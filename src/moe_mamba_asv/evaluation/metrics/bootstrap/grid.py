"""Where thresholds may stand: the distinct scores of all trials, gathered into cells."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.det import det_steps

#: Distinct scores in a cell, at most.
_CELL_STEPS = 64


@dataclass(frozen=True)
class ScoreGrid:
    """Boundaries between cells of neighbouring distinct scores, with the ranks of all trials there.

    The rank of a boundary in a class (bona fide, or one attack) is how many trials of the class lie below it. Every
    distinct bona fide score is the lowest score of a cell. So a detection cost has its minimum over all thresholds on
    a boundary: in between no bona fide trial is won by a lower threshold, but spoofed ones are kept out by a higher.

    Attributes:
        steps: int64 [boundaries], how many distinct scores lie below each boundary; from 0 to all of them.
        bonafide: int64 [boundaries], ranks of the bona fide trials.
        spoof: int64 [attacks, boundaries], ranks of the spoofed trials.
        attacks: names, in the order of ``spoof``.
        orders: order that sorts the trials as they were given: of the bona fide ones, then of each attack.
        spoof_steps: per attack the distinct score, counted from 1, of every trial from the lowest up.
    """

    steps: np.ndarray
    bonafide: np.ndarray
    spoof: np.ndarray
    attacks: tuple[str, ...]
    orders: tuple[np.ndarray, ...]
    spoof_steps: tuple[np.ndarray, ...]

    @property
    def boundaries(self) -> int:
        """How many boundaries there are; one more than cells."""
        return self.steps.size

    def spoof_ranks_in(self, attack: int, cells: np.ndarray) -> np.ndarray:
        """The ranks of an attack's trials after each distinct score in some cells.

        Args:
            attack: its place in ``attacks``.
            cells: int64 [cells], the boundary below each.

        Returns:
            int64 [cells, scores]: cells with fewer scores than others repeat their last rank.
        """
        offsets = np.arange(1, _CELL_STEPS + 1)
        steps = np.minimum(self.steps[cells, None] + offsets, self.steps[cells + 1, None])
        return np.searchsorted(self.spoof_steps[attack], steps, side="right")


def score_grid(bonafide: np.ndarray, spoof: Mapping[str, np.ndarray]) -> ScoreGrid:
    """Gather scores into cells.

    Args:
        bonafide: scores of bona fide trials [bonafide], in any order.
        spoof: scores of spoofed trials [trials of the attack], by attack.

    Raises:
        ScoreError: a class or an attack without trials, or scores that are not finite.
    """
    empty = [name for name, scores in spoof.items() if np.size(scores) == 0]
    if empty or not spoof:
        raise ScoreError(f"no trials of {', '.join(empty) or 'any attack'}", wanted="at least one of every attack")
    classes = [np.asarray(scores, dtype=np.float64) for scores in (bonafide, *spoof.values())]
    steps = det_steps(classes[0], np.concatenate(classes[1:]))
    last = steps.thresholds.size - 1
    below_bonafide = np.flatnonzero(np.diff(steps.misses))
    boundaries = np.unique(np.concatenate([below_bonafide, np.arange(0, last, _CELL_STEPS), [last]]))
    orders = tuple(np.argsort(scores, kind="stable") for scores in classes)
    step_of = [np.searchsorted(steps.thresholds, scores[order]) for scores, order in zip(classes, orders, strict=True)]
    ranks = np.array([np.searchsorted(of, boundaries, side="right") for of in step_of])
    return ScoreGrid(boundaries, ranks[0], ranks[1:], tuple(spoof), orders, tuple(step_of[1:]))
