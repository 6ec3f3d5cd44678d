"""The cells of a breakdown: which trials stand against which, and their figures."""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.evaluate import CONFIDENCE
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.bootstrap import (
    POOLED,
    Replicates,
    Spoken,
    clustered_bootstrap,
    stratified_bootstrap,
)
from moe_mamba_asv.evaluation.metrics.cllr import cllr
from moe_mamba_asv.evaluation.metrics.dcf import DcfCosts, act_dcf, min_dcf
from moe_mamba_asv.evaluation.metrics.deciding import CostWeights, deciding_steps
from moe_mamba_asv.evaluation.metrics.eer import eer_of_steps
from moe_mamba_asv.evaluation.metrics.tdcf import (
    AsvOperatingPoint,
    min_tdcf_2019,
    min_tdcf_2021,
    tdcf_weights_2019,
    tdcf_weights_2021,
)
from moe_mamba_asv.evaluation.tables.axes import Levels
from moe_mamba_asv.evaluation.tables.result import Cell, Figure, Measure

#: One index into the levels for each axis; None is pooled.
_Place = tuple[int | None, ...]


@dataclass(frozen=True)
class CellJudge:
    """Judges the cells of one table, those with the same bona fide trials together.

    Attributes:
        trials: of one system.
        axes: levels of each axis.
        asv: for the t-DCF; None leaves it out.
        dcf: for ``min_dcf``, ``act_dcf`` and ``cllr``; None leaves them out.
        n_bootstrap: replicates; 0 leaves the intervals out.
        rng: the only source of chance.
        cluster: column whose values are drawn in place of single trials; None draws trials.
    """

    trials: Trials
    axes: list[Levels]
    asv: AsvScores | None
    dcf: DcfCosts | None
    n_bootstrap: int
    rng: np.random.Generator
    cluster: str | None = None

    def cells(self) -> list[Cell]:
        """All cells, pooled ones included, the last axis fastest."""
        places = list(product(*([*range(len(axis.names)), None] for axis in self.axes)))
        blocks: dict[tuple[_Place, tuple[bool, ...]], list[_Place]] = {}
        for place in places:
            blocks.setdefault(self._block(place), []).append(place)
        judged = {place: cell for block in blocks.values() for place, cell in self._judge_block(block).items()}
        return [judged[place] for place in places]

    def _block(self, place: _Place) -> tuple[_Place, tuple[bool, ...]]:
        """What cells with the same bona fide and disjoint spoofed trials have in common; their pooled cell too."""
        of_spoof = [index is not None for index, axis in zip(place, self.axes, strict=True) if axis.spoof_only]
        conditions = tuple(index for index, axis in zip(place, self.axes, strict=True) if not axis.spoof_only)
        return conditions, tuple(of_spoof if any(of_spoof) else [True for _ in of_spoof])

    def _judge_block(self, block: list[_Place]) -> dict[_Place, Cell]:
        bonafide = self._rows(block[0], of_bonafide=True)
        spoof = {place: self._rows(place, of_bonafide=False) for place in block}
        names = {place: POOLED if self._pools_block(place) else str(number) for number, place in enumerate(block)}
        groups = {names[place]: rows for place, rows in spoof.items() if names[place] != POOLED and rows.any()}
        replicates = None
        if self.n_bootstrap and bonafide.any() and groups:
            point = self.asv.operating_point if self.asv and any(map(self._has_tdcf, block)) else None
            replicates = self._replicates(bonafide, groups, point)
        score = self.trials.score
        return {
            place: self._cell(place, score[bonafide], score[spoof[place]], names[place], replicates) for place in block
        }

    def _replicates(
        self, bonafide: np.ndarray, groups: dict[str, np.ndarray], point: AsvOperatingPoint | None
    ) -> Replicates | None:
        """Figures of resampled trials, or of resampled clusters; None where there is one cluster only."""
        chosen = {"replicates": self.n_bootstrap, "rng": self.rng, "asv": point, "dcf": self.dcf}
        score = self.trials.score
        if self.cluster is None:
            return stratified_bootstrap(score[bonafide], {name: score[of] for name, of in groups.items()}, **chosen)
        of_trial = self.trials.frame[self.cluster].to_numpy()
        if np.unique(of_trial[np.logical_or.reduce([bonafide, *groups.values()])]).size < 2:
            return None
        spoken = {name: Spoken(score[of], of_trial[of]) for name, of in groups.items()}
        return clustered_bootstrap(Spoken(score[bonafide], of_trial[bonafide]), spoken, **chosen)

    def _cell(
        self, place: _Place, bonafide: np.ndarray, spoof: np.ndarray, group: str, replicates: Replicates | None
    ) -> Cell:
        pairs = zip(place, self.axes, strict=True)
        levels = tuple(POOLED if index is None else axis.names[index] for index, axis in pairs)
        if not bonafide.size or not spoof.size:
            lacking = [which for which, of in (("bona fide", bonafide), ("spoofed", spoof)) if not of.size]
            reason = f"no {' and no '.join(lacking)} trials"
            return Cell(levels=levels, n_bonafide=bonafide.size, n_spoof=spoof.size, figures={}, reason=reason)
        figures: dict[Measure, Figure] = {
            measure: Figure(value=value, ci=_interval(replicates, measure, group))
            for measure, value in self._measure(bonafide, spoof, self._has_tdcf(place)).items()
        }
        return Cell(levels=levels, n_bonafide=bonafide.size, n_spoof=spoof.size, figures=figures)

    def _measure(self, bonafide: np.ndarray, spoof: np.ndarray, has_tdcf: bool) -> dict[Measure, float]:
        costs: list[CostWeights] = []
        if self.asv and has_tdcf:
            point = self.asv.operating_point
            costs += [(0.0, *tdcf_weights_2019(point)), tdcf_weights_2021(point)]
        if self.dcf:
            costs.append((0.0, self.dcf.miss_weight, self.dcf.fa_weight))
        steps = deciding_steps(bonafide, spoof, costs)
        values: dict[Measure, float] = {"eer": eer_of_steps(steps).value}
        if self.asv and has_tdcf:
            values["min_tdcf_2019"] = min_tdcf_2019(steps, self.asv.operating_point)
            values["min_tdcf_2021"] = min_tdcf_2021(steps, self.asv.operating_point)
        if self.dcf:
            values["min_dcf"] = min_dcf(steps, self.dcf)
            values["act_dcf"] = act_dcf(bonafide, spoof, self.dcf)
            values["cllr"] = cllr(bonafide, spoof)
        return values

    def _rows(self, place: _Place, *, of_bonafide: bool) -> np.ndarray:
        rows = self.trials.is_bonafide == of_bonafide
        for index, axis in zip(place, self.axes, strict=True):
            if index is not None and not (of_bonafide and axis.spoof_only):
                rows = rows & (axis.codes == index)
        return rows

    def _pools_block(self, place: _Place) -> bool:
        of_spoof = [index is None for index, axis in zip(place, self.axes, strict=True) if axis.spoof_only]
        return bool(of_spoof) and all(of_spoof)

    @cached_property
    def _strangers(self) -> set[str]:
        return attacks_without_asv(self.trials, self.asv)

    def _has_tdcf(self, place: _Place) -> bool:
        """Whether this is one attack, or all of them, against all bona fide trials, and the ASV scores know of it."""
        fixed = {
            axis.axis.name: axis.names[index] for index, axis in zip(place, self.axes, strict=True) if index is not None
        }
        if self.asv is None or "+" in (self.trials.partition or ""):
            return False
        if not fixed:
            return not self._strangers
        return set(fixed) == {"attack"} and fixed["attack"] in self.asv.attack_counts


def _interval(replicates: Replicates | None, measure: Measure, group: str) -> tuple[float, float] | None:
    if replicates is None or measure not in replicates.measures:
        return None
    return replicates.interval(measure, group, CONFIDENCE)


def attacks_without_asv(trials: Trials, asv: AsvScores | None) -> set[str]:
    """Attacks among the trials that the ASV scores do not have."""
    there = {trials.attack_names[code] for code in np.unique(trials.attack) if code >= 0}
    return there - set(asv.attack_counts) if asv else set()
