"""Other trials of the same kinds: bona fide trials and those of each attack are resampled in their own number."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.metrics.bootstrap.costs import LinearCost, linear_costs
from moe_mamba_asv.evaluation.metrics.bootstrap.grid import ScoreGrid, score_grid
from moe_mamba_asv.evaluation.metrics.bootstrap.measure import Resample
from moe_mamba_asv.evaluation.metrics.bootstrap.replicates import POOLED, Replicates
from moe_mamba_asv.evaluation.metrics.bootstrap.windows import windows
from moe_mamba_asv.evaluation.metrics.dcf import ASVSPOOF5_TRACK1, DcfCosts
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint

#: Counts that are held at once.
_BLOCK = 1 << 21


def stratified_bootstrap(
    bonafide: np.ndarray,
    spoof: Mapping[str, np.ndarray],
    *,
    replicates: int,
    rng: np.random.Generator,
    asv: AsvOperatingPoint | None = None,
    dcf: DcfCosts | None = ASVSPOOF5_TRACK1,
) -> Replicates:
    """Resample the trials: the bona fide ones and those of each attack, with replacement, in their own number.

    All groups share a resample: the same bona fide trials stand against every attack, and the pooled spoofed trials
    are those of the attacks together. It speaks of other trials from the same speakers and attacks, by the same ASV
    system at the same operating point.

    Exact, without a resampled file. Resampling a class is one multinomial draw over any partition of its trials, and
    only thresholds near the crossing of the errors and near the minima of the costs are of interest: a threshold
    where misses or false alarms alone cost more than the minimum found cannot be better. So trials are counted one
    cell of the `ScoreGrid` at a time there and in one lump elsewhere. Every replicate is checked for that bound and
    for its crossing; where one fails, its lumps are divided further, given what was drawn, until nothing is hidden.

    Args:
        bonafide: scores of bona fide trials [bonafide].
        spoof: scores of spoofed trials [trials of the attack], by attack.
        replicates: how many; 1,000 give the ends of an interval to about a tenth of its width.
        rng: the only source of chance.
        asv: for both forms of the minimum t-DCF; without, they are left out.
        dcf: for the minimum of the cost of the countermeasure alone; None leaves it out.

    Raises:
        ConfigError: fewer than one replicate.
        ScoreError: a class or an attack without trials, scores that are not finite, or errors that cost nothing.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8 (several samples).
    """
    if replicates < 1:
        raise ConfigError(f"{replicates} replicates", wanted="one or more")
    costs = linear_costs(asv, dcf)
    grid = score_grid(bonafide, spoof)
    values = np.concatenate(list(_draw_blocks(grid, list(costs.values()), replicates, rng)), axis=2)
    return Replicates(("eer", *costs), (POOLED, *grid.attacks), values)


def _draw_blocks(
    grid: ScoreGrid, costs: Sequence[LinearCost], replicates: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    looked_at = windows(grid, costs)
    bonafide_cuts = _cuts(grid.bonafide, looked_at)
    spoof_cuts = [_cuts(of, [looked_at[0], own]) for of, own in zip(grid.spoof, looked_at[1:], strict=True)]
    size = max(1, _BLOCK // (bonafide_cuts.size + sum(cuts.size for cuts in spoof_cuts)))
    for start in range(0, replicates, size):
        count = min(size, replicates - start)
        bonafide, *attacks = (draw_counts(cuts, count, rng) for cuts in (bonafide_cuts, *spoof_cuts))
        values, proved = Resample(grid, bonafide, attacks).measure(looked_at, costs)
        hidden = np.flatnonzero(~proved.all(axis=0))
        few = max(1, _BLOCK // grid.spoof.size)
        for rows in (hidden[first : first + few] for first in range(0, hidden.size, few)):
            values[:, :, rows] = _measure_everywhere(grid, bonafide.of(rows), [of.of(rows) for of in attacks], costs)
        yield values


def _measure_everywhere(
    grid: ScoreGrid, bonafide: "DrawnCounts", attacks: Sequence["DrawnCounts"], costs: Sequence[LinearCost]
) -> np.ndarray:
    finer = [drawn.divided(np.unique(ranks)) for drawn, ranks in zip(attacks, grid.spoof, strict=True)]
    everywhere = [slice(0, grid.boundaries)] * (1 + len(attacks))
    return Resample(grid, bonafide.divided(np.unique(grid.bonafide)), finer).measure(everywhere, costs)[0]


def _cuts(ranks: np.ndarray, looked_at: Sequence[slice]) -> np.ndarray:
    return np.unique(np.concatenate([ranks[[0, -1]], *(ranks[window] for window in looked_at)]))


@dataclass(frozen=True)
class DrawnCounts:
    """Resamples of a class, known by how many of their trials lie below some of its ranks.

    Attributes:
        cuts: int64 [cuts], those ranks, ascending; from 0 to the number of trials.
        drawn: int64 [replicates, cuts], trials of the resample below each.
        rng: for what is not known yet.
    """

    cuts: np.ndarray
    drawn: np.ndarray
    rng: np.random.Generator

    @property
    def total(self) -> np.ndarray:
        """See `ResampledClass`."""
        return self.drawn[:, -1:]

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """See `ResampledClass`; all ranks must be cuts."""
        return self.drawn[:, np.searchsorted(self.cuts, ranks)]

    def within(self, lowest: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """See `ResampledClass`; ``lowest`` and the last of ``ranks`` must be cuts."""
        rows, highest = np.arange(lowest.size), ranks[:, -1]
        below = self.drawn[rows, np.searchsorted(self.cuts, lowest)]
        end = self.drawn[rows, np.searchsorted(self.cuts, highest)]
        shares = np.diff(ranks, axis=1, prepend=lowest[:, None]) / np.maximum(highest - lowest, 1)[:, None]
        return below[:, None] + np.cumsum(self.rng.multinomial(end - below, shares), axis=1)

    def of(self, rows: np.ndarray) -> "DrawnCounts":
        """Some of the replicates."""
        return DrawnCounts(self.cuts, self.drawn[rows], self.rng)

    def divided(self, cuts: np.ndarray) -> "DrawnCounts":
        """The same resamples at more cuts, which hold all that there are."""
        drawn = np.empty((len(self.drawn), cuts.size), dtype=np.int64)
        known = np.searchsorted(cuts, self.cuts)
        drawn[:, known] = self.drawn
        for first, last in pairwise(known):
            if last - first > 1:
                sizes = np.diff(cuts[first : last + 1])
                lump = self.rng.multinomial(drawn[:, last] - drawn[:, first], sizes / sizes.sum())
                drawn[:, first + 1 : last] = drawn[:, first, None] + np.cumsum(lump[:, :-1], axis=1)
        return DrawnCounts(cuts, drawn, self.rng)


def draw_counts(cuts: np.ndarray, replicates: int, rng: np.random.Generator) -> DrawnCounts:
    """Resample a class, to be known at some ranks.

    Args:
        cuts: int64 [cuts], ascending, from 0 to the number of trials.
        replicates: how many.
        rng: the only source of chance.
    """
    ends = np.tile(cuts[[0, -1]], (replicates, 1))
    return DrawnCounts(cuts[[0, -1]], ends, rng).divided(cuts)
