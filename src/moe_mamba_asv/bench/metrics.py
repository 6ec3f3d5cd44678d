"""How long figures and their bootstrap take, ours beside the published steps, on scores made up for it."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from moe_mamba_asv.bench.metrics_plain import plain_point_values, plain_replicate
from moe_mamba_asv.evaluation.metrics.bootstrap import Spoken, clustered_bootstrap, stratified_bootstrap
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.evaluation.metrics.points import point_values
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint

#: Of the official evaluation of ASVspoof 2019 LA.
ASV = AsvOperatingPoint(
    threshold=-5.68005, eer=0.024578, p_fa=0.024604675, p_miss=0.024581006, p_miss_spoof=0.239347547
)
_ATTACKS, _SPEAKERS = 13, 67
Answer = TypeVar("Answer")


class TrialCounts(NamedTuple):
    """How many trials are made up: bona fide ones, and spoofed ones of all 13 attacks together."""

    bonafide: int
    spoof: int


#: One bona fide trial, and one of every attack.
FEWEST = TrialCounts(1, _ATTACKS)
#: As many trials as in the evaluations of ASVspoof 2019 LA and of 2021 DF.
DEFAULT_SIZES = (TrialCounts(7_355, 63_882), TrialCounts(22_617, 589_212))


@dataclass(frozen=True)
class MetricsPlan:
    """What to measure.

    Attributes:
        sizes: numbers of trials, one after the other.
        repeats: timed runs of point values; the median counts.
        replicates: of a bootstrap, which runs once.
        plain_replicates: by resampled arrays; their time is scaled to ``replicates``.
        seed: of the scores and of the bootstrap.
    """

    sizes: tuple[TrialCounts, ...] = DEFAULT_SIZES
    repeats: int = 7
    replicates: int = 1000
    plain_replicates: int = 5
    seed: int = 0


@dataclass(frozen=True)
class MetricsRow:
    """One kind of work at one size.

    Attributes:
        work: in words.
        trials: bona fide and spoofed.
        ms: milliseconds, ours.
        plain_ms: by the published steps; None where they are not measured.
        ratio: how many times faster ours is.
        difference: the largest between our figures and the published ones; None for a bootstrap.
    """

    work: str
    trials: int
    ms: float
    plain_ms: float | None = None
    ratio: float | None = None
    difference: float | None = None


def bench_metrics(plan: MetricsPlan, on_row: Callable[[MetricsRow], None] = lambda row: None) -> list[MetricsRow]:
    """Measure all: four rows for every size.

    Args:
        plan: what.
        on_row: told of every row.
    """
    rows = []
    for size in plan.sizes:
        bonafide, attacks = _made_scores(size, np.random.default_rng(plan.seed))
        for row in _measure(plan, bonafide, attacks):
            rows.append(row)
            on_row(row)
    return rows


def _measure(plan: MetricsPlan, bonafide: np.ndarray, attacks: Mapping[str, np.ndarray]) -> Iterator[MetricsRow]:
    yield _point_values(plan, bonafide, attacks, by_attack=False)
    yield _point_values(plan, bonafide, attacks, by_attack=True)
    yield _by_trial(plan, bonafide, attacks)
    yield _by_speaker(plan, bonafide, attacks)


def _made_scores(size: TrialCounts, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Normal scores; attacks from easy to hard."""
    counts = [len(part) for part in np.array_split(np.arange(size.spoof), _ATTACKS)]
    spoof = {f"A{number:02}": rng.normal(-2 + 0.2 * number, 1, count) for number, count in enumerate(counts)}
    return rng.normal(2.4, 1, size.bonafide), spoof


def _point_values(
    plan: MetricsPlan, bonafide: np.ndarray, attacks: Mapping[str, np.ndarray], *, by_attack: bool
) -> MetricsRow:
    spoof, each = np.concatenate(list(attacks.values())), list(attacks.values()) if by_attack else []
    # In turns: what else the machine does slows both alike.
    timed = [
        (
            _timed(lambda: _our_point_values(bonafide, spoof, each)),
            _timed(lambda: plain_point_values(bonafide, spoof, each, ASV)),
        )
        for _ in range(plan.repeats)
    ]
    ms, plain_ms = (statistics.median(run[side][0] for run in timed) for side in (0, 1))
    (_, ours), (_, plain) = timed[-1]
    work = "EER, both t-DCF" + (f", EER of {_ATTACKS} attacks" if by_attack else "")
    difference = float(np.abs(np.subtract(ours, plain)).max())
    return MetricsRow(work, bonafide.size + spoof.size, ms, plain_ms, plain_ms / ms, difference)


def _our_point_values(bonafide: np.ndarray, spoof: np.ndarray, attacks: list[np.ndarray]) -> list[float]:
    pooled = point_values(bonafide, spoof, ASV)
    by_attack = [equal_error_rate(bonafide, of).value for of in attacks]
    return [pooled.eer.value, pooled.min_tdcf_2019, pooled.min_tdcf_2021, *by_attack]


def _by_trial(plan: MetricsPlan, bonafide: np.ndarray, attacks: Mapping[str, np.ndarray]) -> MetricsRow:
    rng = np.random.default_rng(plan.seed)
    ms, found = _timed(
        lambda: stratified_bootstrap(bonafide, attacks, replicates=plan.replicates, rng=rng, asv=ASV, dcf=None)
    )
    one_ms = [_timed(lambda: plain_replicate(bonafide, attacks, ASV, rng))[0] for _ in range(plan.plain_replicates)]
    plain_ms = statistics.median(one_ms) * plan.replicates
    work = f"{plan.replicates:,} replicates of these for {len(found.groups)} groups, by trial"
    return MetricsRow(work, _count(bonafide, attacks), ms, plain_ms, plain_ms / ms)


def _by_speaker(plan: MetricsPlan, bonafide: np.ndarray, attacks: Mapping[str, np.ndarray]) -> MetricsRow:
    rng = np.random.default_rng(plan.seed)
    spoken, *spoof = (Spoken(of, rng.integers(0, _SPEAKERS, of.size)) for of in (bonafide, *attacks.values()))
    by_attack = dict(zip(attacks, spoof, strict=True))
    ms, found = _timed(
        lambda: clustered_bootstrap(spoken, by_attack, replicates=plan.replicates, rng=rng, asv=ASV, dcf=None)
    )
    work = f"{plan.replicates:,} replicates of these for {len(found.groups)} groups, by speaker"
    return MetricsRow(work, _count(bonafide, attacks), ms)


def _count(bonafide: np.ndarray, attacks: Mapping[str, np.ndarray]) -> int:
    return bonafide.size + sum(of.size for of in attacks.values())


def _timed(run: Callable[[], Answer]) -> tuple[float, Answer]:
    """How long it takes in milliseconds, and the answer."""
    start = time.perf_counter()
    answer = run()
    return 1e3 * (time.perf_counter() - start), answer
