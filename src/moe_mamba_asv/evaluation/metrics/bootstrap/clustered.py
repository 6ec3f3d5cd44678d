"""Other speakers: whole speakers are resampled, with all their trials."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.bootstrap.costs import linear_costs
from moe_mamba_asv.evaluation.metrics.bootstrap.grid import ScoreGrid, score_grid
from moe_mamba_asv.evaluation.metrics.bootstrap.measure import Resample
from moe_mamba_asv.evaluation.metrics.bootstrap.replicates import POOLED, Replicates
from moe_mamba_asv.evaluation.metrics.dcf import ASVSPOOF5_TRACK1, DcfCosts
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint

#: Weights and counts that are held at once.
_BLOCK = 1 << 22


@dataclass(frozen=True)
class Spoken:
    """Trials with their speakers.

    Attributes:
        scores: [trials].
        speakers: [trials], names or numbers; the same in all classes for the same speaker.

    Raises:
        ScoreError: another number of speakers than of scores.
    """

    scores: np.ndarray
    speakers: np.ndarray

    def __post_init__(self) -> None:
        if np.shape(self.scores) != np.shape(self.speakers):
            raise ScoreError(
                f"{np.size(self.scores):,} scores with {np.size(self.speakers):,} speakers", wanted="one for each score"
            )


def clustered_bootstrap(
    bonafide: Spoken,
    spoof: Mapping[str, Spoken],
    *,
    replicates: int,
    rng: np.random.Generator,
    asv: AsvOperatingPoint | None = None,
    dcf: DcfCosts | None = ASVSPOOF5_TRACK1,
) -> Replicates:
    """Resample the speakers: as many as there are, with replacement, each with all trials of all classes.

    Trials of a speaker are alike, so this interval is the wider one, and the one that speaks of other speakers. A
    speaker may have trials of one class only. All groups share a resample. So do two systems on the same trials, by
    equal seeds: chance only picks speakers.

    A resample without bona fide or without spoofed trials has no figures and is drawn anew, which is counted. One that
    only lacks an attack has none (NaN) for it.

    Args:
        bonafide: bona fide trials.
        spoof: spoofed trials, by attack.
        replicates: how many.
        rng: the only source of chance.
        asv: for both forms of the minimum t-DCF; without, they are left out.
        dcf: for the minimum of the cost of the countermeasure alone; None leaves it out.

    Raises:
        ConfigError: fewer than one replicate.
        ScoreError: fewer than two speakers; else as `stratified_bootstrap`.

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8 (hierarchical data).
    """
    if replicates < 1:
        raise ConfigError(f"{replicates} replicates", wanted="one or more")
    costs = linear_costs(asv, dcf)
    grid = score_grid(bonafide.scores, {name: trials.scores for name, trials in spoof.items()})
    speakers, trials_of = _speakers_by_score(grid, [bonafide, *spoof.values()])
    weights, redrawn = _draw_weights(trials_of, speakers, replicates, rng)
    everywhere = [slice(0, grid.boundaries)] * (1 + len(spoof))
    size = max(1, _BLOCK // (sum(map(len, trials_of)) + grid.boundaries))
    values = []
    for start in range(0, replicates, size):
        classes = [_weigh(weights[start : start + size], of) for of in trials_of]
        figures, _ = Resample(grid, classes[0], classes[1:]).measure(everywhere, list(costs.values()))
        values.append(figures)
    return Replicates(("eer", *costs), (POOLED, *grid.attacks), np.concatenate(values, axis=2), redrawn)


def _speakers_by_score(grid: ScoreGrid, classes: list[Spoken]) -> tuple[int, list[np.ndarray]]:
    """How many speakers there are; and by class the number of the speaker of every trial, from the lowest score up."""
    names, numbers = np.unique(np.concatenate([trials.speakers for trials in classes]), return_inverse=True)
    if names.size < 2:
        raise ScoreError(f"{names.size} speaker", wanted="two or more", remedy="resample the trials instead")
    by_class = np.split(numbers, np.cumsum([np.size(trials.speakers) for trials in classes])[:-1])
    return names.size, [numbers[order] for numbers, order in zip(by_class, grid.orders, strict=True)]


def _draw_weights(
    trials_of: list[np.ndarray], speakers: int, replicates: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """How often each speaker is drawn [replicates, speakers], with both classes in every replicate; and the redrawn."""
    has_bonafide, has_spoof = np.zeros(speakers, dtype=bool), np.zeros(speakers, dtype=bool)
    has_bonafide[trials_of[0]] = True
    has_spoof[np.concatenate(trials_of[1:])] = True
    weights = np.empty((replicates, speakers), dtype=np.int64)
    lacking, redrawn = np.arange(replicates), -replicates
    while lacking.size:
        redrawn += lacking.size
        weights[lacking] = rng.multinomial(speakers, np.full(speakers, 1 / speakers), size=lacking.size)
        drawn = weights[lacking] > 0
        lacking = lacking[~((drawn & has_bonafide).any(axis=1) & (drawn & has_spoof).any(axis=1))]
    return weights, redrawn


@dataclass(frozen=True)
class _WeighedCounts:
    """Resamples of a class, known in full.

    Attributes:
        below: int64 [replicates, trials + 1], resampled trials below each rank.
    """

    below: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """See `ResampledClass`."""
        return self.below[:, -1:]

    def at(self, ranks: np.ndarray) -> np.ndarray:
        """See `ResampledClass`."""
        return self.below[:, ranks]

    def within(self, lowest: np.ndarray, ranks: np.ndarray) -> np.ndarray:
        """See `ResampledClass`."""
        return np.take_along_axis(self.below, ranks, axis=1)


def _weigh(weights: np.ndarray, speakers: np.ndarray) -> _WeighedCounts:
    below = np.zeros((len(weights), speakers.size + 1), dtype=np.int64)
    np.cumsum(weights[:, speakers], axis=1, out=below[:, 1:])
    return _WeighedCounts(below)
