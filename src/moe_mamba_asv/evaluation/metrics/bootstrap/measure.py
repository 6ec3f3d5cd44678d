"""From resampled counts to figures, for the pooled trials and every attack at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from moe_mamba_asv.evaluation.metrics.bootstrap.costs import LinearCost
from moe_mamba_asv.evaluation.metrics.bootstrap.grid import ScoreGrid
from moe_mamba_asv.evaluation.metrics.eer import eer_at_crossing


class ResampledClass(Protocol):
    """How many resampled trials of a class lie among the so many lowest of the trials as they are."""

    @property
    def total(self) -> np.ndarray:
        """How many resampled trials there are: int64 [replicates, 1]."""
        ...

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """The counts at the ranks [ranks] of some boundaries: int64 [replicates, ranks]."""
        ...

    def within(self, lowest: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """The counts inside a cell that every replicate chooses for itself.

        Args:
            lowest: rank below the cell [replicates].
            ranks: ranks in the cell [replicates, ranks], ascending; the last is the one above the cell.

        Returns:
            int64 [replicates, ranks].
        """
        ...


@dataclass(frozen=True)
class Resample:
    """Resampled trials, and the scores that they were drawn from."""

    grid: ScoreGrid
    bonafide: ResampledClass
    attacks: Sequence[ResampledClass]

    def measure(self, windows: Sequence[slice], costs: Sequence[LinearCost]) -> tuple[np.ndarray, np.ndarray]:
        """Measure the pooled trials, then each attack.

        Args:
            windows: the boundaries that are looked at, for each group.
            costs: whose minima are wanted.

        Returns:
            float64 [1 + costs, groups, replicates], first the EER; and bool [groups, replicates], whether the figures
            are proved: no threshold outside the window of the group can change them.
        """
        everyone = range(len(self.attacks))
        pooled = self._count(everyone, windows[0])
        cells = pooled.crossing_cells()
        in_cells = [self._rejected_in(attack, cells) for attack in everyone]
        figures, proved = pooled.measure(cells, sum(in_cells[1:], in_cells[0]), costs)
        all_figures, all_proved = [figures], [proved]
        for attack, window in zip(everyone, windows[1:], strict=True):
            alone = self._count([attack], window)
            own_cells = alone.crossing_cells()
            # One resample has one answer: what was drawn for the pooled trials in a cell holds for the attack as well.
            same = (own_cells == cells)[:, None]
            rejected = np.where(same, in_cells[attack], self._rejected_in(attack, own_cells))
            figures, proved = alone.measure(own_cells, rejected, costs)
            all_figures.append(figures)
            all_proved.append(proved)
        return np.stack(all_figures, axis=1), np.array(all_proved)

    def _count(self, attacks: Sequence[int], window: slice) -> "_Counts":
        spoof = sum(self.attacks[attack].total for attack in attacks)
        rejected = sum(self.attacks[attack].at(self.grid.spoof[attack, window]) for attack in attacks)
        return _Counts(
            first=window.start,
            misses=self.bonafide.at(self.grid.bonafide[window]),
            false_alarms=np.asarray(spoof - rejected),
            bonafide=self.bonafide.total,
            spoof=np.asarray(spoof),
        )

    def _rejected_in(self, attack: int, cells: np.ndarray) -> np.ndarray:
        lowest, ranks = self.grid.spoof[attack, cells], self.grid.spoof_ranks_in(attack, cells)
        return self.attacks[attack].within(lowest, ranks)


@dataclass(frozen=True)
class _Counts:
    """Errors of one group at neighbouring boundaries, in every replicate; integers.

    Attributes:
        first: the lowest of the boundaries.
        misses: [replicates, boundaries].
        false_alarms: [replicates, boundaries].
        bonafide: how many resampled trials there are [replicates, 1].
        spoof: likewise; 0 where an attack was not drawn.
    """

    first: int
    misses: np.ndarray
    false_alarms: np.ndarray
    bonafide: np.ndarray
    spoof: np.ndarray

    def crossing_cells(self) -> np.ndarray:
        """The cell [replicates] in which misses overtake false alarms; the nearest one where that is not in here."""
        fewer = self._fewer_missed(slice(None)).sum(axis=1)
        return self.first + np.clip(fewer, 1, self.misses.shape[1] - 1) - 1

    def measure(
        self, cells: np.ndarray, rejected: np.ndarray, costs: Sequence[LinearCost]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The EER and the minima [1 + costs, replicates], and whether they are proved [replicates].

        Args:
            cells: of `crossing_cells`.
            rejected: spoofed trials rejected after each score of the cell [replicates, scores].
            costs: whose minima are wanted.
        """
        p_miss, p_fa = self.misses / self.bonafide, self.false_alarms / np.maximum(self.spoof, 1)
        ends = self._fewer_missed([0, -1])
        proved = ends[:, 0] & ~ends[:, 1]
        figures = [self._eer(cells - self.first, rejected)]
        for cost in costs:
            least = (cost.miss_weight * p_miss + cost.fa_weight * p_fa).min(axis=1)
            # Below the window false alarms alone cost as much as at its lower end, above it misses as at the upper.
            proved &= (cost.fa_weight * p_fa[:, 0] >= least) & (cost.miss_weight * p_miss[:, -1] >= least)
            figures.append((cost.offset + least) / cost.useless)
        absent = self.spoof[:, 0] == 0
        return np.where(absent, np.nan, figures), proved | absent

    def _fewer_missed(self, columns: slice | list[int]) -> np.ndarray:
        """Where a smaller fraction is missed than falsely accepted, without rounding: bool [replicates, columns]."""
        return self.misses[:, columns] * self.spoof < self.false_alarms[:, columns] * self.bonafide

    def _eer(self, columns: np.ndarray, rejected: np.ndarray) -> np.ndarray:
        rows = np.arange(columns.size)
        misses, next_misses = self.misses[rows, columns], self.misses[rows, columns + 1]
        accepted = self.spoof - rejected
        # All bona fide trials of a cell have its lowest score.
        crossed = next_misses[:, None] * self.spoof >= accepted * self.bonafide
        after = crossed.argmax(axis=1)
        at_lowest = after == 0
        return eer_at_crossing(
            np.where(at_lowest, misses, next_misses),
            np.where(at_lowest, self.false_alarms[rows, columns], accepted[rows, after - 1]),
            next_misses,
            accepted[rows, after],
            bonafide=self.bonafide[:, 0],
            spoof=np.maximum(self.spoof[:, 0], 1),
        )
