"""Figures by condition: one table of all levels of an attribute, or of two crossed, with everything pooled beside."""

from collections.abc import Sequence
from dataclasses import asdict
from math import prod

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.evaluate import CONFIDENCE, refuse_unknown_cluster
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.bootstrap import POOLED
from moe_mamba_asv.evaluation.metrics.dcf import DcfCosts
from moe_mamba_asv.evaluation.result import AsvResult
from moe_mamba_asv.evaluation.tables.axes import Axis, Levels, sort_into_levels
from moe_mamba_asv.evaluation.tables.cells import CellJudge, attacks_without_asv
from moe_mamba_asv.evaluation.tables.result import Breakdown, Cell, Figure, TableAxis
from moe_mamba_asv.scores import name_some

#: More would be a list of trials, not a table.
_MOST_CELLS = 20_000


def breakdown(
    trials: Trials,
    by: Sequence[str | Axis],
    *,
    asv: AsvScores | None = None,
    dcf: DcfCosts | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    cluster: str | None = None,
    caption: str = "",
) -> Breakdown:
    """Judge every level of an attribute, or every pair of levels of two.

    Attributes of spoofed trials (see `sort_into_levels`) are judged against all bona fide trials, conditions that both
    classes have against the bona fide trials of the same condition; a cross of the two does both. The bootstrap
    resamples the bona fide trials of a condition and the spoofed ones of each cell, in their own number; cells with the
    same bona fide trials share a resample.

    A t-DCF stands only where the ASV scores speak of the same trials: all pooled, or one attack against all bona fide.

    Args:
        trials: what `join` answers.
        by: one or two axes, rows first; a string is an `Axis` of that name.
        asv: scores of an ASV system on the same partition, for both forms of the minimum t-DCF.
        dcf: costs of the countermeasure alone; with them come ``min_dcf``, ``act_dcf`` and ``cllr``.
        n_bootstrap: replicates of every interval; 0 leaves the intervals out.
        seed: of the bootstrap.
        cluster: column whose values are drawn in place of single trials, such as ``speaker``; cells whose trials are
            all of one have no intervals.
        caption: what the table is; empty takes its axes and split.

    Raises:
        ConfigError: no axis, more than two or the same twice, one that the trials do not have, or too many levels;
            trials without a value of ``cluster``.
        ScoreError: the ASV scores cannot be used.
    """
    refuse_unknown_cluster(trials, cluster)
    axes = [Axis(name=axis) if isinstance(axis, str) else axis for axis in by]
    if len({axis.name for axis in axes}) != len(axes) or len(axes) not in (1, 2):
        names = ", ".join(axis.name for axis in axes)
        raise ConfigError(f"a breakdown by {names or 'nothing'}", wanted="one axis or two different ones")
    levels = [sort_into_levels(trials, axis) for axis in axes]
    if prod(len(axis.names) + 1 for axis in levels) > _MOST_CELLS:
        sizes = " x ".join(f"{len(axis.names):,} of {axis.axis.name}" for axis in levels)
        raise ConfigError(f"{sizes}: that is no table", wanted=f"{_MOST_CELLS:,} cells or fewer")
    cells = CellJudge(trials, levels, asv, dcf, n_bootstrap, np.random.default_rng(seed), cluster).cells()
    split = _split(trials)
    return Breakdown(
        caption=caption or f"{trials.corpus}, {split}, by {' and '.join(axis.name for axis in axes)}",
        system=trials.system,
        corpus=trials.corpus,
        split=split,
        axes=tuple(_table_axis(axis) for axis in levels),
        cells=tuple(cells),
        asv=AsvResult(**asdict(asv.operating_point)) if asv else None,
        confidence=CONFIDENCE,
        n_bootstrap=n_bootstrap,
        cluster=cluster,
        seed=seed,
        warnings=(*trials.warnings, *_warnings(trials, asv, cells)),
        notes=(*trials.notes, *_notes(asv, dcf, cells, cluster if n_bootstrap else None)),
    )


def _table_axis(axis: Levels) -> TableAxis:
    levels = (*axis.names, POOLED)
    labels = tuple(axis.axis.labels.get(level, level) for level in levels)
    return TableAxis(name=axis.axis.name, levels=levels, labels=labels, bonafide="all" if axis.spoof_only else "same")


def _split(trials: Trials) -> str:
    partition = trials.partition or "partition not given"
    if "subset" not in trials.frame.columns:
        return partition
    return f"{partition}, subset {'+'.join(sorted(trials.frame['subset'].drop_nulls().unique().to_list()))}"


def _warnings(trials: Trials, asv: AsvScores | None, cells: list[Cell]) -> list[str]:
    warnings = []
    strangers = attacks_without_asv(trials, asv)
    if asv and strangers:
        warnings.append(
            f"the ASV scores {asv.source.name} have no {name_some(sorted(strangers))}: no t-DCF where these are in"
        )
    beyond = [" x ".join(cell.levels) for cell in cells if cell.figures and cell.figures["eer"].value > 0.5]
    if beyond:
        warnings.append(f"EER above 50 % for {name_some(beyond, 10)}: the scores were not flipped")
    return warnings


def _notes(asv: AsvScores | None, dcf: DcfCosts | None, cells: list[Cell], cluster: str | None) -> list[str]:
    notes = []
    if asv and any("min_tdcf_2019" in cell.figures for cell in cells):
        notes.append(
            f"t-DCF with the ASV scores {asv.source.name}; single attacks too are weighed by the ASV errors of all "
            "spoofed trials together"
        )
    if dcf:
        notes.append(
            f"DCF with p_spoof {dcf.p_spoof:g}, c_miss {dcf.c_miss:g}, c_fa {dcf.c_fa:g}; act DCF and Cllr take the "
            "scores for natural log-likelihood ratios"
        )
    if any(cell.figures and cell.figures["eer"] == Figure(value=0.0, ci=(0.0, 0.0)) for cell in cells):
        notes.append("where no errors were made, a bootstrap cannot tell how far the EER is above zero")
    if cluster and any(cell.figures and cell.figures["eer"].ci is None for cell in cells):
        notes.append(f"no intervals where all trials are of one {cluster}")
    return notes
