"""Systems against each other on the same trials: which one is better, where, and whether chance alone could say so."""

from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.comparison.correlation import correlations
from moe_mamba_asv.evaluation.comparison.fusion import Fused
from moe_mamba_asv.evaluation.comparison.lineup import Lineup
from moe_mamba_asv.evaluation.comparison.paired import PairedReplicates, paired_bootstrap
from moe_mamba_asv.evaluation.comparison.result import (
    ComparedMeasure,
    Comparison,
    Figure,
    GroupComparison,
    Interpolation,
    PairComparison,
    SystemResult,
)
from moe_mamba_asv.evaluation.comparison.significance import CONFIDENCE, SIGNIFICANCE, judge_differences
from moe_mamba_asv.evaluation.metrics.bootstrap import interval
from moe_mamba_asv.evaluation.metrics.bootstrap.costs import linear_costs
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.evaluation.metrics.points import point_values
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint
from moe_mamba_asv.evaluation.result import AsvResult, Counts
from moe_mamba_asv.scores import name_some


def compare(
    lineup: Lineup,
    *,
    asv: AsvScores | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    cluster: str | None = None,
    fused: Fused | None = None,
    interpolation: Interpolation | None = None,
) -> Comparison:
    """Compare every two systems of a line-up.

    Args:
        lineup: what `line_up` answers.
        asv: scores of an ASV system on the same partition; without them there is no t-DCF.
        n_bootstrap: resamples, the same for all systems; 0 leaves intervals, p-values and verdicts out.
        seed: of the bootstrap; the same seed gives the same resamples whatever the systems.
        cluster: column whose values are drawn in place of single trials, such as ``speaker``.
        fused: what `fuse` answers of the same line-up, to be compared with its parts.
        interpolation: to be shown beside.

    Raises:
        ConfigError: trials without a value of ``cluster``.
        ScoreError: the ASV scores cannot be used, or there is one cluster only.
    """
    point = asv.operating_point if asv else None
    whole = lineup.with_system(fused.fusion.system, fused.scores) if fused else lineup
    groups = _groups(lineup)
    replicates = None
    if n_bootstrap:
        replicates = paired_bootstrap(
            whole.scores,
            whole.stratum,
            [group.kinds for group in groups],
            replicates=n_bootstrap,
            rng=np.random.default_rng(seed),
            costs=list(linear_costs(point, None).values()),
            clusters=_cluster_numbers(lineup, cluster),
        )
    values = [[_measure(scores, whole.stratum, group, point) for group in groups] for scores in whole.scores]
    table = _Table(whole, groups, values, replicates)
    bonafide = int(lineup.trials.is_bonafide.sum())
    return Comparison(
        corpus=lineup.trials.corpus,
        partition=lineup.trials.partition,
        counts=Counts(bonafide=bonafide, spoof=lineup.trials.is_bonafide.size - bonafide),
        failed=len(lineup.failed),
        systems=tuple(table.system(place) for place in range(len(whole.systems))),
        pairs=tuple(table.pair(first, second) for first, second in combinations(range(len(whole.systems)), 2)),
        fusion=fused.fusion if fused else None,
        interpolation=interpolation,
        asv=AsvResult(**asdict(point)) if point else None,
        confidence=CONFIDENCE,
        n_bootstrap=n_bootstrap,
        cluster=cluster,
        seed=seed,
        warnings=(*lineup.warnings, *_warnings(whole, values, asv)),
        notes=(*lineup.notes, *_notes(lineup, asv, n_bootstrap, replicates)),
    )


@dataclass(frozen=True)
class _Group:
    """Kinds of spoofed trials that stand together; an attack is a group of its own."""

    kinds: tuple[int, ...]
    known: bool | None = None
    attack: str | None = None


@dataclass(frozen=True)
class _Table:
    """Figures of all systems and groups, and their replicates."""

    lineup: Lineup
    groups: list[_Group]
    values: list[list[dict[ComparedMeasure, float]]]
    replicates: PairedReplicates | None

    def system(self, place: int) -> SystemResult:
        figures = {}
        for row, (measure, value) in enumerate(self.values[place][0].items()):
            of = None if self.replicates is None else interval(self.replicates.values[place, row, 0], CONFIDENCE)
            figures[measure] = Figure(value=value, ci=of)
        return SystemResult(system=self.lineup.systems[place], figures=figures)

    def pair(self, first: int, second: int) -> PairComparison:
        replicates = None if self.replicates is None else self.replicates.difference(first, second)
        measures = list(self.values[first][0])
        rows = [
            judge_differences(
                [of[measure] for of in self.values[first]],
                [of[measure] for of in self.values[second]],
                None if replicates is None else replicates[row],
                [group.attack is not None for group in self.groups],
            )
            for row, measure in enumerate(measures)
        ]
        compared = [
            GroupComparison(
                n=int(np.isin(self.lineup.stratum, group.kinds).sum()),
                known=group.known,
                differences=dict(zip(measures, of_group, strict=True)),
            )
            for group, of_group in zip(self.groups, zip(*rows, strict=True), strict=True)
        ]
        together = {group.known: of for group, of in zip(self.groups, compared, strict=True) if group.attack is None}
        return PairComparison(
            a=self.lineup.systems[first],
            b=self.lineup.systems[second],
            pooled=together[None],
            known=together.get(True),
            unknown=together.get(False),
            attacks={group.attack: of for group, of in zip(self.groups, compared, strict=True) if group.attack},
            correlation=correlations(
                self.lineup.scores[first], self.lineup.scores[second], self.lineup.trials.is_bonafide
            ),
        )


def _groups(lineup: Lineup) -> list[_Group]:
    """All spoofed trials, then the known and the unknown, then each attack."""
    published = {name: lineup.trials.catalogue.get(name) for name in lineup.trials.attack_names}
    attacks = [
        _Group((1 + place,), attack.known if attack else None, name)
        for place, (name, attack) in enumerate(published.items())
    ]
    together = [_Group(tuple(range(1, int(lineup.stratum.max()) + 1)))]
    for known in (True, False):
        kinds = tuple(attack.kinds[0] for attack in attacks if attack.known is known)
        together += [_Group(kinds, known)] if kinds else []
    return [*together, *attacks]


def _measure(
    scores: np.ndarray, stratum: np.ndarray, group: _Group, point: AsvOperatingPoint | None
) -> dict[ComparedMeasure, float]:
    bonafide, spoof = scores[stratum == 0], scores[np.isin(stratum, group.kinds)]
    if point is None:
        return {"eer": equal_error_rate(bonafide, spoof).value}
    eer, legacy, revised = point_values(bonafide, spoof, point)
    return {"eer": eer.value, "min_tdcf_2019": legacy, "min_tdcf_2021": revised}


def _cluster_numbers(lineup: Lineup, cluster: str | None) -> np.ndarray | None:
    if cluster is None:
        return None
    frame = lineup.trials.frame
    if cluster not in frame.columns or frame[cluster].null_count():
        raise ConfigError(
            f"trials without a {cluster}, by which they were to be drawn",
            wanted="the value of every trial",
            remedy="another column, or a bootstrap over trials",
        )
    return np.unique(frame[cluster].cast(str).to_numpy(), return_inverse=True)[1]


def _warnings(whole: Lineup, values: list[list[dict[ComparedMeasure, float]]], asv: AsvScores | None) -> list[str]:
    warnings = [
        f"{name}: EER {of[0]['eer']:.2%} is above 50 %: the scores are probably reversed; they were not flipped"
        for name, of in zip(whole.systems, values, strict=True)
        if of[0]["eer"] > 0.5
    ]
    strangers = [name for name in whole.trials.attack_names if asv and name not in asv.attack_counts]
    if strangers:
        warnings.append(
            f"the ASV scores lack {name_some(strangers)}: they are of another partition, the t-DCF is wrong"
        )
    return warnings


def _notes(lineup: Lineup, asv: AsvScores | None, n_bootstrap: int, replicates: PairedReplicates | None) -> list[str]:
    notes = []
    if asv is not None:
        notes.append(f"t-DCF with the ASV scores {asv.source.name}, at one operating point for all attacks")
    tests = len(lineup.trials.attack_names)
    needed = int(np.ceil(2 * tests / SIGNIFICANCE))
    if replicates is not None and n_bootstrap < needed:
        notes.append(f"too few replicates for a verdict on one of {tests} attacks after Holm: take {needed:,} or more")
    if replicates is not None and replicates.redrawn:
        notes.append(f"{replicates.redrawn:,} resamples lacked a class and were drawn anew")
    return notes
