"""Tables and notes of a comparison, for a person: EERs in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moe_mamba_asv.cli.terminal import console, stderr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.table import Table

    from moe_mamba_asv.evaluation.comparison.result import (
        ComparedMeasure,
        Comparison,
        Difference,
        Fusion,
        GroupComparison,
        Interpolation,
        PairComparison,
    )

_COSTS: dict[ComparedMeasure, str] = {
    "min_tdcf_2019": "min t-DCF, 2019 legacy",
    "min_tdcf_2021": "min t-DCF, 2021 revised",
}
#: What a narrow column says of a verdict.
_SHORT = {"A better": "A better", "B better": "B better", "no difference shown": "not shown", None: ""}


def shout(comparison: Comparison) -> None:
    """Warnings on stderr, where they are seen whatever becomes of stdout."""
    from rich.text import Text

    for warning in comparison.warnings:
        stderr.print(Text(f"warning: {warning}", style="bold red"), soft_wrap=True)


def show_comparison(comparison: Comparison, out: Path | None) -> None:
    """Everything on stdout.

    Args:
        comparison: to be shown.
        out: where the fused scores went.
    """
    from rich.text import Text

    console.print(_systems_table(comparison))
    for pair in comparison.pairs:
        for table in _pair_tables(pair, comparison.confidence):
            console.print(table)
        console.print(Text(_correlation(pair)), soft_wrap=True)
    if comparison.interpolation:
        console.print(_interpolation_table(comparison.interpolation))
    for note in comparison.notes:
        console.print(Text(f"note: {note}", style="dim"), soft_wrap=True)
    if comparison.fusion:
        console.print(Text(_formula(comparison.fusion)), soft_wrap=True)
    if out:
        console.print(Text(f"→ {out}"), soft_wrap=True)


def _formula(fusion: Fusion) -> str:
    sums = " + ".join(f"{weight:.4g} {name}" for weight, name in zip(fusion.weights, fusion.systems, strict=True))
    return f"{fusion.system}: {sums} + {fusion.bias:.4g}, normalised on {fusion.fitted_on}"


def _systems_table(comparison: Comparison) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    where = " ".join(filter(None, (comparison.corpus, comparison.partition)))
    counts = f"{comparison.counts.bonafide:,} bona fide, {comparison.counts.spoof:,} spoofed trials"
    title = escape(f"{where}: {counts}")
    table = Table("system", "figure", box=SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("value", justify="right")
    table.add_column(f"{comparison.confidence:.0%} interval", justify="right")
    said = {"eer": "EER, %", **_COSTS}
    for system in comparison.systems:
        name = escape(system.system)
        for measure, figure in system.figures.items():
            table.add_row(name, said[measure], _number(figure.value, measure), _ends(figure.ci, measure))
            name = ""
    if comparison.failed:
        table.caption = f"{comparison.failed:,} failed trials are in no figure"
    return table


def _pair_tables(pair: PairComparison, confidence: float) -> Iterator[Table]:
    """The EERs, group by group; and the costs, if there are any."""
    together = (("all", pair.pooled), ("all known", pair.known), ("all unknown", pair.unknown))
    groups = [(name, group) for name, group in together if group]
    who = f"A = {pair.a}, B = {pair.b}"
    table = _difference_table(f"{who}: EER, %", confidence, [*groups, *pair.attacks.items()], "eer")
    table.caption = "p: uncorrected; Holm: corrected, by which attacks are judged"
    yield table
    for measure, name in _COSTS.items():
        if measure in pair.pooled.differences:
            table = _difference_table(f"{who}: {name}", confidence, groups, measure)
            table.caption = "by attack: see --json"
            yield table


def _difference_table(
    title: str, confidence: float, groups: list[tuple[str, GroupComparison]], measure: ComparedMeasure
) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left", padding=(0, 1, 0, 0))
    table.add_column("attacks", no_wrap=True)
    for heading in ("A", "B", "A − B", f"{confidence:.0%} interval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    corrected = any(group.differences[measure].p_corrected is not None for _, group in groups)
    if corrected:
        table.add_column("Holm", justify="right", no_wrap=True)
    table.add_column("difference", no_wrap=True)
    for name, group in groups:
        table.add_row(escape(name), *_cells(group.differences[measure], measure, corrected))
    return table


def _cells(difference: Difference, measure: ComparedMeasure, corrected: bool) -> list[str]:
    values = [_number(value, measure) for value in (difference.a, difference.b, difference.value)]
    p_values = (difference.p, difference.p_corrected) if corrected else (difference.p,)
    shown = ["" if p is None else f"{p:.3f}" for p in p_values]
    return [*values, _ends(difference.ci, measure), *shown, _SHORT[difference.verdict]]


def _number(value: float, measure: ComparedMeasure) -> str:
    return f"{100 * value:.3f}" if measure == "eer" else f"{value:.4f}"


def _ends(ends: tuple[float, float] | None, measure: ComparedMeasure) -> str:
    return "" if ends is None else f"[{_number(ends[0], measure)}, {_number(ends[1], measure)}]"


def _correlation(pair: PairComparison) -> str:
    of = {"pooled": "all trials", "bonafide": "bona fide", "spoof": "spoofed"}
    said = [
        f"{of[name]} {one.pearson:.3f} / {one.spearman:.3f}"
        for name, one in pair.correlation.items()
        if one.pearson is not None and one.spearman is not None
    ]
    return f"correlation of the scores, Pearson / Spearman: {', '.join(said)}"


def _interpolation_table(interpolation: Interpolation) -> Table:
    from rich.markup import escape
    from rich.table import Table

    title = escape(f"Mixtures of {interpolation.models[0]} and {interpolation.models[1]}, on dev alone")
    table = Table("share of the second", "EER on dev, %", title=title, title_justify="left")
    for point in interpolation.points:
        table.add_row(f"{point.share:.2f}", f"{_number(point.dev_eer, 'eer')} {_ends(point.interval, 'eer')}")
    table.caption = f"{interpolation.clips:,} clips"
    return table
