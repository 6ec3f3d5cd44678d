"""Systems judged on the same resampled trials, so that what they share cancels in their difference."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.bootstrap.costs import LinearCost
from moe_mamba_asv.evaluation.metrics.eer import eer_at_crossing

#: Weights that are held at once, whichever systems are compared: so the same seed draws the same resamples for all.
_BLOCK = 1 << 21
#: Differences of rates below this are rounding, not trials.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class PairedReplicates:
    """Figures of all systems on the same resamples.

    Attributes:
        values: float64 [systems, 1 + costs, groups, replicates]: the EER, then the minimum of every cost; NaN where a
            resample lacks the group, which can happen only where clusters are drawn.
        redrawn: resamples that lacked a class, and were drawn anew.
    """

    values: np.ndarray
    redrawn: int

    def difference(self, first: int, second: int) -> np.ndarray:
        """The first system minus the second, replicate by replicate: float64 [1 + costs, groups, replicates]."""
        difference = self.values[first] - self.values[second]
        difference[np.abs(difference) < _ROUNDING] = 0
        return difference


def paired_bootstrap(
    scores: np.ndarray,
    stratum: np.ndarray,
    groups: Sequence[Sequence[int]],
    *,
    replicates: int,
    rng: np.random.Generator,
    costs: Sequence[LinearCost] = (),
    clusters: np.ndarray | None = None,
) -> PairedReplicates:
    """Resample trials once for all systems, and measure each system on every resample.

    Without clusters each stratum (bona fide, and each attack) is resampled in its own number. With clusters, such as
    speakers, as many clusters are drawn as there are, each with all of its trials.

    A resample is how often it holds each trial. Those counts are summed up once per system and stratum, from the
    lowest score up; any group's errors at any threshold are then sums of few of these, so the EER is found by
    bisection, and the minimum of a cost among the thresholds right below a bona fide trial. Both are exact.

    Args:
        scores: float64 [systems, trials].
        stratum: int [trials]: 0 for bona fide, from 1 on for the kinds of spoofed trials.
        groups: which kinds stand together against all bona fide trials.
        replicates: how many.
        rng: the only source of chance.
        costs: whose minima are wanted beside the EER.
        clusters: int [trials], numbered from 0; None draws trials.

    Raises:
        ConfigError: fewer than one replicate.
        ScoreError: a class without trials, or a single cluster.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8; Bisani and Ney, Bootstrap
    estimates for confidence intervals in ASR performance evaluation, ICASSP 2004 (the same resamples for two systems).
    """
    if replicates < 1:
        raise ConfigError(f"{replicates} replicates", wanted="one or more")
    members = [np.flatnonzero(stratum == kind) for kind in range(int(stratum.max()) + 1)]
    if not members[0].size or len(members) < 2:
        raise ScoreError("trials of one class only", wanted="bona fide and spoofed trials")
    rankings = [_rank(system, members) for system in scores]
    draws = _TrialDraws(members, rng) if clusters is None else _ClusterDraws(members, clusters, rng)
    values = np.empty((len(scores), 1 + len(costs), len(groups), replicates))
    size = max(1, _BLOCK // stratum.size)
    for start in range(0, replicates, size):
        weights = list(draws.draw(min(size, replicates - start)))
        for system, ranking in enumerate(rankings):
            values[system, :, :, start : start + size] = _measure(ranking, weights, groups, costs)
    return PairedReplicates(values, draws.redrawn)


class _TrialDraws:
    """Draws the trials of every stratum in their own number."""

    def __init__(self, members: list[np.ndarray], rng: np.random.Generator) -> None:
        self._sizes = [of.size for of in members]
        self._rng = rng
        self.redrawn = 0

    def draw(self, count: int) -> Iterator[np.ndarray]:
        """Per stratum, how often each of its trials is drawn: int64 [count, trials of the stratum]."""
        for size in self._sizes:
            drawn = self._rng.integers(0, max(size, 1), size=(count, size))
            drawn += size * np.arange(count)[:, None]
            yield np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)


class _ClusterDraws:
    """Draws clusters with all their trials."""

    def __init__(self, members: list[np.ndarray], clusters: np.ndarray, rng: np.random.Generator) -> None:
        self._clusters = int(clusters.max()) + 1
        if self._clusters < 2:
            raise ScoreError("a single cluster of trials", wanted="two or more", remedy="resample the trials instead")
        self._of = [clusters[of] for of in members]
        self._held = [np.isin(np.arange(self._clusters), of) for of in (self._of[0], np.concatenate(self._of[1:]))]
        self._rng = rng
        self.redrawn = 0

    def draw(self, count: int) -> Iterator[np.ndarray]:
        """As of `_TrialDraws`; every resample has trials of both classes."""
        weights = np.empty((count, self._clusters), dtype=np.int64)
        lacking = np.arange(count)
        shares = np.full(self._clusters, 1 / self._clusters)
        while lacking.size:
            weights[lacking] = self._rng.multinomial(self._clusters, shares, size=lacking.size)
            drawn = weights[lacking] > 0
            lacking = lacking[~np.logical_and.reduce([(drawn & held).any(axis=1) for held in self._held])]
            self.redrawn += lacking.size
        for of in self._of:
            yield weights[:, of]


@dataclass(frozen=True)
class _Ranking:
    """The trials of one system, from the lowest score up.

    Attributes:
        orders: per stratum, the order that sorts its trials.
        ascending: per stratum, its scores in that order.
        thresholds: float64 [steps], those of the DET steps: a step accepts what is above its own.
        rejected_at_best: int64 [strata, bona fide steps], trials rejected at the steps among which every cost has its
            minimum: right below a bona fide trial, or above all.
    """

    orders: list[np.ndarray]
    ascending: list[np.ndarray]
    thresholds: np.ndarray
    rejected_at_best: np.ndarray


def _rank(scores: np.ndarray, members: list[np.ndarray]) -> _Ranking:
    orders = [np.argsort(scores[of]) for of in members]
    ascending = [scores[of][order] for of, order in zip(members, orders, strict=True)]
    bonafide = np.append(np.unique(ascending[0]), np.inf)
    below_bonafide = np.stack([np.searchsorted(of, bonafide, side="left") for of in ascending])
    return _Ranking(orders, ascending, np.append(-np.inf, np.unique(scores)), below_bonafide)


def _measure(
    ranking: _Ranking, weights: list[np.ndarray], groups: Sequence[Sequence[int]], costs: Sequence[LinearCost]
) -> np.ndarray:
    """The figures of one system, [1 + costs, groups, replicates]."""
    below = [_sum_up(of, order) for of, order in zip(weights, ranking.orders, strict=True)]
    at_best = [np.take(of, at, axis=1) for of, at in zip(below, ranking.rejected_at_best, strict=True)] if costs else []
    of_misses = [at_best[0] * (cost.miss_weight / below[0][:, -1:]) for cost in costs]
    figures = np.empty((1 + len(costs), len(groups), len(weights[0])))
    for group, kinds in enumerate(groups):
        spoof = sum((below[kind][:, -1] for kind in kinds), np.zeros(len(below[0]), dtype=np.int64))
        figures[0, group] = _eers(ranking, below, kinds, spoof)
        if costs:
            kept_out = reduce(np.add, [at_best[kind] for kind in kinds]) / np.maximum(spoof, 1)[:, None]
            figures[1:, group] = _minima(of_misses, kept_out, costs)
        figures[:, group, spoof == 0] = np.nan
    return figures


def _sum_up(weights: np.ndarray, order: np.ndarray) -> np.ndarray:
    below = np.zeros((len(weights), order.size + 1), dtype=np.int64)
    np.cumsum(np.take(weights, order, axis=1), axis=1, out=below[:, 1:])
    return below


def _eers(ranking: _Ranking, below: list[np.ndarray], kinds: Sequence[int], spoof: np.ndarray) -> np.ndarray:
    rows = np.arange(spoof.size)
    bonafide = below[0][:, -1]

    def errors(steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        at = ranking.thresholds[steps]
        misses, *rejected = (
            below[kind][rows, np.searchsorted(ranking.ascending[kind], at, side="right")] for kind in (0, *kinds)
        )
        return misses, spoof - sum(rejected)

    low = np.zeros(spoof.size, dtype=np.int64)  # a step where misses are still the smaller fraction
    high = np.full_like(low, ranking.thresholds.size - 1)  # one where they no longer are
    while (high - low > 1).any():
        middle = (low + high) // 2
        misses, accepted = errors(middle)
        overtaken = misses * spoof >= accepted * bonafide
        low, high = np.where(overtaken, low, middle), np.where(overtaken, middle, high)
    return eer_at_crossing(*errors(low), *errors(high), bonafide=bonafide, spoof=np.maximum(spoof, 1))


def _minima(of_misses: list[np.ndarray], kept_out: np.ndarray, costs: Sequence[LinearCost]) -> np.ndarray:
    """Minima [costs, replicates], from what misses cost and the share of spoofs kept out at each best step."""
    least = [(of - cost.fa_weight * kept_out).min(axis=1) for cost, of in zip(costs, of_misses, strict=True)]
    return np.stack([(cost.offset + cost.fa_weight + of) / cost.useless for cost, of in zip(costs, least, strict=True)])
