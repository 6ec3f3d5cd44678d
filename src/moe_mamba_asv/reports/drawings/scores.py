"""Figures of scores and errors, attack by attack and system by system."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from moe_mamba_asv.evaluation.result import GroupResult
from moe_mamba_asv.reports.canvas import (
    BONAFIDE,
    INK,
    KNOWN,
    SPOOF,
    UNKNOWN,
    curve_style,
    drawing,
    figure_label,
    svg_of,
)
from moe_mamba_asv.reports.model import ScoreQuantiles, SystemReport

_ROW_IN = 0.26


def quantile_figure(groups: Sequence[ScoreQuantiles], labels: Mapping[str, str], threshold: float) -> str:
    """Where the scores of bona fide speech and of each attack lie: 5 to 95 % as a line, the middle half as a bar.

    Args:
        groups: bona fide speech first.
        labels: how figures call each attack.
        threshold: of the EER, a dashed line.
    """
    with drawing(height_in=1.0 + _ROW_IN * len(groups)) as (figure, axes):
        for row, group in enumerate(groups):
            low, first, median, third, high = group.levels
            colour = SPOOF if group.group else BONAFIDE
            axes.plot([low, high], [row, row], color=colour, linewidth=1.2)
            axes.barh(row, third - first, left=first, height=0.62, color=colour, alpha=0.55)
            axes.plot(median, row, "|", color=INK, markersize=9, markeredgewidth=1.6)
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.0)
        _name_rows(axes, [labels[group.group] if group.group else "bona fide" for group in groups])
        axes.set(xlabel="score", ylim=(len(groups) - 0.4, -0.6))
        axes.grid(axis="x")
        return svg_of(figure)


def gap_figure(systems: Sequence[SystemReport]) -> str:
    """Known against unknown attacks, for each system that has both, with intervals; dev where it was scored."""
    shown = [system for system in systems if system.evaluation.known and system.evaluation.unknown]
    with drawing(height_in=1.2 + 0.42 * len(shown)) as (figure, axes):
        for row, system in enumerate(shown):
            known, unknown = system.evaluation.known, system.evaluation.unknown
            assert known is not None
            assert unknown is not None
            axes.plot([100 * known.eer, 100 * unknown.eer], [row, row], color=INK, alpha=0.4, linewidth=1.0)
            _dot(axes, row - 0.13, known, KNOWN, "o", "known *" if row == 0 else None)
            _dot(axes, row + 0.13, unknown, UNKNOWN, "s", "unknown" if row == 0 else None)
        with_dev = [(row, system.gap) for row, system in enumerate(shown) if system.gap]
        for number, (row, gap) in enumerate(with_dev):
            label = "dev" if number == 0 else None
            axes.plot(100 * gap.whole.before.eer, row, "D", color=BONAFIDE, markersize=6, label=label)
        _name_rows(axes, [_label(system, row) for row, system in enumerate(shown, start=1)])
        axes.set(xlabel="EER (%)", ylim=(len(shown) - 0.4, -0.6))
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        figure.legend(frameon=False, ncols=3, loc="outside upper center", handlelength=1.2, columnspacing=1.2)
        return svg_of(figure)


def slope_figure(systems: Sequence[SystemReport], labels: Mapping[str, str]) -> str:
    """EER of each attack from system to system; the pooled EER is the thick line.

    The attacks that change the most are named at the right; the others are drawn faintly.
    """
    places = np.arange(len(systems))
    curves = {
        name: [100 * system.evaluation.attacks[name].eer for system in systems]
        for name in labels
        if all(name in system.evaluation.attacks for system in systems)
    }
    named = sorted(curves, key=lambda name: np.ptp(curves[name]), reverse=True)[:5]
    with drawing(height_in=3.6) as (figure, axes):
        for name, values in curves.items():
            if name not in named:
                axes.plot(places, values, color=INK, alpha=0.3, linewidth=0.9)
        for number, name in enumerate(named, start=1):
            colour, _ = curve_style(number)
            marker = "osD^v"[number - 1]
            axes.plot(
                places, curves[name], color=colour, marker=marker, markersize=5, linewidth=1.4, label=labels[name]
            )
        pooled = [100 * system.evaluation.eer for system in systems]
        axes.plot(places, pooled, color=INK, linewidth=2.6, label="all")
        axes.set_xticks(places, [_label(system, number) for number, system in enumerate(systems, start=1)])
        for text in axes.get_xticklabels():
            text.set_parse_math(False)
            if len(systems) > 3:
                text.set(rotation=25, ha="right", rotation_mode="anchor")
        axes.set(ylabel="EER (%)")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        figure.legend(frameon=False, ncols=6, loc="outside upper center", handlelength=1.6, columnspacing=1.0)
        return svg_of(figure)


def _dot(axes: Axes, row: float, group: GroupResult, colour: str, marker: str, label: str | None) -> None:
    if group.eer_ci is not None:
        axes.plot(100 * np.array(group.eer_ci), [row, row], color=colour, linewidth=1.2, marker="|", markersize=6)
    axes.plot(100 * group.eer, row, marker, color=colour, markersize=6, label=label)


def _label(system: SystemReport, number: int) -> str:
    return figure_label(system.evaluation.system, number)


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), names)
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
