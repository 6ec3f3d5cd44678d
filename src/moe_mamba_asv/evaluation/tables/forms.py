"""Figures written out: CSV and JSON in fractions for programs, LaTeX and Markdown in percent for people."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from moe_mamba_asv.evaluation.metrics.bootstrap import POOLED
from moe_mamba_asv.evaluation.result import Evaluation
from moe_mamba_asv.evaluation.tables.result import Breakdown, Cell, Figure, Measure, TableAxis
from moe_mamba_asv.scores import name_some

_MEASURES: tuple[Measure, ...] = get_args(Measure)
_HEADS: dict[Measure, str] = {
    "eer": "EER (%)",
    "min_tdcf_2019": "min t-DCF (legacy form of 2019)",
    "min_tdcf_2021": "min t-DCF (revised form of 2021)",
    "min_dcf": "min DCF",
    "act_dcf": "act DCF",
    "cllr": "Cllr (bits)",
}
_NOTHING = "–"
#: What an evaluation and a table of it say alike.
_SHARED = {"system", "corpus", "confidence", "n_bootstrap", "cluster", "seed", "warnings", "notes"}
_LATEX = {
    **{char: f"\\{char}" for char in "{}$&#_%"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", _NOTHING: "--"},
    # After the end of a row LaTeX takes these for an argument of the row.
    **{"[": "{[}", "*": "{*}"},
}
_MARKDOWN = {**{char: f"\\{char}" for char in "\\`*_[]|~#$"}, "&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: A spreadsheet would compute a text that begins so.
_FORMULA = ("=", "+", "-", "@")


def to_csv(table: Breakdown | Evaluation) -> str:
    """One line a cell: levels, counts, every measure of the table and the ends of its interval.

    Rates are fractions, to six decimals; what is absent is empty, and ``reason`` says why. A name that a spreadsheet
    would take for a formula begins with an apostrophe.

    Args:
        table: of `breakdown`, `official_table` or `evaluate`.
    """
    table = _as_breakdown(table)
    measures = _measures(table.cells)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    figures = [f"{measure}{part}" for measure in measures for part in ("", "_low", "_high")]
    axes = [axis.name for axis in table.axes]
    writer.writerow([*map(_for_csv, axes), "system", "corpus", "split", "n_bonafide", "n_spoof", *figures, "reason"])
    for cell in table.cells:
        names = map(_for_csv, (*cell.levels, table.system, table.corpus, table.split))
        numbers = [number for measure in measures for number in _fractions(cell.figures.get(measure))]
        writer.writerow([*names, cell.n_bonafide, cell.n_spoof, *numbers, cell.reason or ""])
    return out.getvalue()


def to_json(table: Breakdown | Evaluation) -> str:
    """The result as it is: fractions in full, null for what is absent.

    Args:
        table: of `breakdown`, `official_table` or `evaluate`.
    """
    return json.dumps(table.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(table: Breakdown | Evaluation) -> str:
    """A table as GitHub renders it: percent with intervals, one axis down, the second across.

    Across, every cell shows its EER; other measures stand beside, of the column that pools all.

    Args:
        table: of `breakdown`, `official_table` or `evaluate`.
    """
    layout = _lay_out(_as_breakdown(table))
    heads, *rows = ([_escape(name, _MARKDOWN) for name in row] for row in (layout.heads, *layout.rows))
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---", *["---:"] * (len(heads) - 1)], *rows)]
    remarks = [f"- {_escape(remark, _MARKDOWN)}" for remark in layout.remarks]
    return "\n".join([f"**{_escape(layout.caption, _MARKDOWN)}**", "", *lines, "", *remarks]).rstrip() + "\n"


def to_latex(table: Breakdown | Evaluation) -> str:
    """The table of `to_markdown` as a LaTeX ``table`` in UTF-8; it needs the package booktabs.

    Args:
        table: of `breakdown`, `official_table` or `evaluate`.
    """
    layout = _lay_out(_as_breakdown(table))
    heads, *rows = (" & ".join(_escape(name, _LATEX) for name in row) + r" \\" for row in (layout.heads, *layout.rows))
    remarks = [rf"\par\footnotesize {_escape(remark, _LATEX)}" for remark in layout.remarks]
    return "\n".join(
        [
            *(r"\begin{table}", r"\centering", rf"\caption{{{_escape(layout.caption, _LATEX)}}}"),
            rf"\begin{{tabular}}{{l{'r' * (len(layout.heads) - 1)}}}",
            *(r"\toprule", heads, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}", *remarks, r"\end{table}", ""),
        ]
    )


@dataclass(frozen=True)
class _Layout:
    """What a person reads, before it is escaped."""

    caption: str
    heads: list[str]
    rows: list[list[str]]
    remarks: list[str]


def _lay_out(table: Breakdown) -> _Layout:
    heads, rows = _one_axis(table) if len(table.axes) == 1 else _two_axes(table)
    caption = f"{table.system}: {table.caption}" if table.system else table.caption
    if table.n_bootstrap:
        caption += f". In brackets: {table.confidence:.0%} intervals of {table.n_bootstrap:,} bootstrap replicates"
        caption += f", drawn by {table.cluster}" if table.cluster else ""
    remarks = [*(f"Warning: {warning}" for warning in table.warnings), *_reasons(table), *table.notes]
    return _Layout(caption, heads, rows, remarks)


def _one_axis(table: Breakdown) -> tuple[list[str], list[list[str]]]:
    measures = _measures(table.cells)
    heads = [table.axes[0].name, "bona fide trials", "spoofed trials"]
    heads += [f"{_HEADS[measure]}, {table.split}" for measure in measures]
    rows = [
        [label, f"{cell.n_bonafide:,}", f"{cell.n_spoof:,}", *(_for_person(cell, measure) for measure in measures)]
        for label, cell in zip(table.axes[0].labels, table.cells, strict=True)
    ]
    return heads, rows


def _two_axes(table: Breakdown) -> tuple[list[str], list[list[str]]]:
    down, across = table.axes
    width = len(across.levels)
    of_rows = [table.cells[start : start + width] for start in range(0, len(table.cells), width)]
    beside: list[Measure] = [measure for measure in _measures([cells[-1] for cells in of_rows]) if measure != "eer"]
    columns = zip(across.labels, of_rows[-1], strict=True)
    heads = [f"{down.name} (bona fide + spoofed trials), EER (%) by {across.name}, {table.split}"]
    heads += [f"{label} ({_counts(cell)})" for label, cell in columns]
    heads += [f"{_HEADS[measure]}, {POOLED}, {table.split}" for measure in beside]
    rows = []
    for label, cells in zip(down.labels, of_rows, strict=True):
        row = [f"{label} ({_counts(cells[-1])})", *(_for_person(cell, "eer") for cell in cells)]
        rows.append([*row, *(_for_person(cells[-1], measure) for measure in beside)])
    return heads, rows


def _measures(cells: tuple[Cell, ...] | list[Cell]) -> list[Measure]:
    return [measure for measure in _MEASURES if any(measure in cell.figures for cell in cells)]


def _counts(cell: Cell) -> str:
    return f"{cell.n_bonafide:,} + {cell.n_spoof:,}"


def _for_person(cell: Cell, measure: Measure) -> str:
    """A figure with its interval; where there can be none for want of trials, their counts."""
    figure = cell.figures.get(measure)
    if figure is None:
        return f"{_NOTHING} ({_counts(cell)})" if cell.reason else _NOTHING
    scale, decimals = (100, 2) if measure == "eer" else (1, 4)
    value, *ends = (f"{scale * number:.{decimals}f}" for number in (figure.value, *(figure.ci or ())))
    return f"{value} [{', '.join(ends)}]" if ends else value


def _reasons(table: Breakdown) -> Iterator[str]:
    """Which cells have no figures, one line for each reason."""
    without = [cell for cell in table.cells if cell.reason]
    for reason in sorted({cell.reason for cell in without if cell.reason}):
        cells = [" x ".join(_labels(table.axes, cell)) for cell in without if cell.reason == reason]
        yield f"No figures for want of trials ({reason}): {name_some(cells, 10)}"


def _labels(axes: tuple[TableAxis, ...], cell: Cell) -> list[str]:
    return [axis.labels[axis.levels.index(level)] for axis, level in zip(axes, cell.levels, strict=True)]


def _fractions(figure: Figure | None) -> list[str]:
    if figure is None:
        return ["", "", ""]
    return [f"{figure.value:.6f}", *(f"{end:.6f}" for end in figure.ci or ())] + ([] if figure.ci else ["", ""])


def _for_csv(name: str) -> str:
    name = _one_line(name)
    return f"'{name}" if len(name) > 1 and name.lstrip().startswith(_FORMULA) else name


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(char, char) for char in _one_line(text))


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+", " ", text)


def _as_breakdown(table: Breakdown | Evaluation) -> Breakdown:
    """An evaluation as a table by attack, with the known and the unknown ones together below."""
    if isinstance(table, Breakdown):
        return table
    groups = {**table.attacks, "known attacks": table.known, "unknown attacks": table.unknown}
    bonafide = table.counts.bonafide
    cells = [
        Cell(
            levels=(name,),
            n_bonafide=bonafide,
            n_spoof=group.n,
            figures={"eer": Figure(value=group.eer, ci=group.eer_ci)},
        )
        for name, group in groups.items()
        if group
    ]
    pooled: dict[Measure, Figure] = {"eer": Figure(value=table.eer, ci=table.eer_ci)}
    if table.min_tdcf_2019 is not None:
        pooled["min_tdcf_2019"] = Figure(value=table.min_tdcf_2019, ci=table.min_tdcf_2019_ci)
    if table.min_tdcf_2021 is not None:
        pooled["min_tdcf_2021"] = Figure(value=table.min_tdcf_2021, ci=table.min_tdcf_2021_ci)
    cells.append(Cell(levels=(POOLED,), n_bonafide=bonafide, n_spoof=table.counts.spoof, figures=pooled))
    levels = tuple(cell.levels[0] for cell in cells)
    split = table.partition or "partition not given"
    shared = table.model_dump(include=_SHARED)
    return Breakdown(
        **shared,
        caption=f"{table.corpus}, {split}",
        split=split,
        axes=(TableAxis(name="attack", levels=levels, labels=levels, bonafide="all"),),
        cells=tuple(cells),
        asv=table.asv,
    )
