"""Figures of EERs under other channels: one system with intervals, several as a heat map."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from moe_mamba_asv.diagnostics.results.robustness import ConditionResult, RobustnessResult
from moe_mamba_asv.reports.canvas import BONAFIDE, INK, SPOOF, drawing, figure_label, svg_of

#: A single hue from light to dark, which every reader can put in order; a dark cell is a bad one.
_COLOURS = mpl.colormaps["Blues"]
#: The darkest cell at least, so that good systems do not look bad beside each other.
_DARKEST_AT_LEAST = 0.2
#: Of the colour's luminance; on darker ones white text has the higher contrast.
_WHITE_TEXT_BELOW = 0.18
_ROW_IN = 0.26
_UNCHANGED = "unchanged"


def robustness_figure(results: Sequence[tuple[str, RobustnessResult]]) -> str:
    """EER under every condition; what the rule found fragile carries an asterisk.

    One system: a dot for each condition with the paired interval of its rise, laid at the unchanged EER, which is a
    dashed line; beyond the dotted line the rise is above its limit. Several: a heat map of EERs in percent, a column
    each, with a dash where a condition was not measured.

    Args:
        results: name and result of at least one system, as in the report.
    """
    return _dots(results[0][1]) if len(results) == 1 else _heat_map(results)


def _dots(result: RobustnessResult) -> str:
    raised = _raised(result)
    with drawing(height_in=1.0 + _ROW_IN * len(result.conditions)) as (figure, axes):
        axes.axvline(100 * result.eer, color=INK, linestyle="--", linewidth=1.0)
        if result.findings:
            axes.axvline(100 * (result.eer + result.findings[0].limit), color=INK, linestyle=":", linewidth=1.0)
        for row, condition in enumerate(result.conditions):
            eer, colour = condition.eer, SPOOF if condition.name in raised else BONAFIDE
            ends = 100 * np.clip(np.add(eer.before, eer.ci), 0, 1)
            axes.plot(ends, [row, row], color=INK, linewidth=1.0, marker="|", markersize=6, clip_on=False)
            axes.plot(100 * eer.after, row, "o", color=colour, markersize=6, clip_on=False)
        _name_rows(axes, [_marked(one.name, one.name in raised, row) for row, one in enumerate(result.conditions)])
        axes.set(xlabel="EER (%)", ylim=(len(result.conditions) - 0.4, -0.6))
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        return svg_of(figure)


def _heat_map(results: Sequence[tuple[str, RobustnessResult]]) -> str:
    met = [condition.name for _, result in results for condition in result.conditions]
    names = list(dict.fromkeys([*met, *(name for _, result in results for name in result.not_measured)]))
    of = [{condition.name: condition for condition in result.conditions} for _, result in results]
    eers = [[result.eer for _, result in results]]
    eers += [[_eer(one.get(name)) for one in of] for name in names]
    darkest = max(_DARKEST_AT_LEAST, float(np.nanmax(eers)))
    with drawing(height_in=1.2 + _ROW_IN * len(eers)) as (figure, axes):
        axes.pcolormesh(np.array(eers), cmap=_COLOURS, vmin=0, vmax=darkest, edgecolors=INK, linewidth=0.4)
        axes.axhline(1, color=INK, linewidth=2.0)
        for column, (_, result) in enumerate(results):
            raised = _raised(result)
            for row, eer in enumerate(one[column] for one in eers):
                starred = row > 0 and names[row - 1] in raised
                _print_cell(axes, column, row, eer, starred, darkest)
        _name_rows(axes, [_UNCHANGED, *(figure_label(name, row) for row, name in enumerate(names, start=1))], 0.5)
        _name_columns(axes, [figure_label(name, number) for number, (name, _) in enumerate(results, start=1)])
        axes.set_ylim(len(eers), 0)
        return svg_of(figure)


def _raised(result: RobustnessResult) -> set[str]:
    return {finding.where for finding in result.findings if finding.raised}


def _eer(condition: ConditionResult | None) -> float:
    return np.nan if condition is None else condition.eer.after


def _marked(name: str, is_raised: bool, row: int) -> str:
    label = figure_label(name, row + 1)
    return f"{label} *" if is_raised else label


def _print_cell(axes: Axes, column: int, row: int, eer: float, starred: bool, darkest: float) -> None:
    if np.isnan(eer):
        axes.text(column + 0.5, row + 0.5, "-", ha="center", va="center")
        return
    colour = "#ffffff" if _luminance(eer / darkest) < _WHITE_TEXT_BELOW else "#000000"
    text = f"{100 * eer:.1f} *" if starred else f"{100 * eer:.1f}"
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour)


def _luminance(share: float) -> float:
    """Relative luminance of a cell's colour, 0 black to 1 white; as WCAG defines it."""
    rgb = np.array(_COLOURS(share)[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _name_rows(axes: Axes, names: list[str], centre: float = 0.0) -> None:
    axes.set_yticks(np.arange(len(names)) + centre, names)
    axes.tick_params(axis="y", length=0)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)


def _name_columns(axes: Axes, names: list[str]) -> None:
    axes.set_xticks(np.arange(len(names)) + 0.5, names)
    axes.tick_params(axis="x", length=0, labeltop=True, labelbottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set_xlabel("EER (%)")
    for text in axes.get_xticklabels():
        text.set_parse_math(False)
        if len(names) > 2:
            text.set(rotation=35, ha="left", rotation_mode="anchor")
