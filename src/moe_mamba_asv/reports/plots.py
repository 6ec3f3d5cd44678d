"""Figures as SVG text: DET curves, score histograms, per-attack error bars.

A figure holds numbers, Latin words and attack ids only; what it means is said in the caption, in the
reader's language. Colours are from Okabe & Ito's set, safe for colour-blind readers, and no meaning rests
on colour alone: DET curves differ in dashes and known attacks carry an asterisk.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from moe_mamba_asv.reports.canvas import BONAFIDE, INK, KNOWN, SPOOF, UNKNOWN, curve_style, drawing, svg_of
from moe_mamba_asv.reports.deviates import normal_deviates
from moe_mamba_asv.reports.model import ScoreHistogram, SystemReport

_DET_TICKS = (0.0001, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
#: Of axes that run up to 100 %, for a system near chance or beyond it.
_DET_TICKS_WHOLE = (0.0001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)


@dataclass(frozen=True)
class AttackBar:
    """What one bar shows: fractions, not percent.

    Attributes:
        label: as `figure_label` gives it.
        eer: height of the bar.
        interval: its lower and upper end; None where none was computed.
        known: None where the corpus does not tell.
        baseline: EER of the system to compare with; None where there is none.
    """

    label: str
    eer: float
    interval: tuple[float, float] | None
    known: bool | None
    baseline: float | None = None


def det_figure(systems: Sequence[SystemReport]) -> str:
    """DET curves on normal-deviate axes, where a Gaussian system is a straight line.

    Args:
        systems: at least one; labelled 1, 2, … in the legend when there are several.
    """
    with drawing(height_in=4.4) as (figure, axes):
        low, high = _det_range(systems)
        ends = normal_deviates([low, high])
        axes.plot(ends, ends, color=INK, alpha=0.35, linewidth=0.8, linestyle=":")
        for number, system in enumerate(systems, start=1):
            colour, dash = curve_style(number)
            # Zero errors lie at minus infinity: they are drawn on the lower edge, and the upper ends beyond the axes.
            p_fa = normal_deviates(np.clip(system.det.p_fa, low, 1 - low))
            p_miss = normal_deviates(np.clip(system.det.p_miss, low, 1 - low))
            axes.plot(p_fa, p_miss, color=colour, linestyle=dash, linewidth=1.8, label=str(number))
            eer = normal_deviates(np.clip(system.evaluation.eer, low, 1 - low))
            if system.evaluation.eer_ci is not None:
                ends = normal_deviates(np.clip(system.evaluation.eer_ci, low, 1 - low))
                axes.plot(ends, ends, color=colour, linewidth=3.5, alpha=0.6, solid_capstyle="butt")
            axes.plot(
                eer, eer, "o", markersize=6, color=colour, markeredgecolor=INK, markeredgewidth=0.6, clip_on=False
            )
        _probit_axes(axes, low, high)
        if len(systems) > 1:
            axes.legend(frameon=False, loc="upper right")
        return svg_of(figure)


def histogram_figure(histogram: ScoreHistogram, threshold: float) -> str:
    """Score histograms of both classes, each as a share of its own class.

    Args:
        histogram: counts of both classes over the same bins.
        threshold: the EER threshold, in score units; drawn as a dashed line.
    """
    with drawing(height_in=3.6) as (figure, axes):
        edges = np.asarray(histogram.edges)
        for counts, colour, name in (
            (histogram.spoof, SPOOF, "spoof"),
            (histogram.bonafide, BONAFIDE, "bona fide"),
        ):
            share_percent = 100 * np.asarray(counts) / max(1, sum(counts))
            axes.stairs(share_percent, edges, fill=True, color=colour, alpha=0.35)
            axes.stairs(share_percent, edges, color=colour, linewidth=1.4, label=name)
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1.0, label="EER threshold")
        axes.set(xlabel="score", ylabel="% of class", xlim=(edges[0], edges[-1]))
        axes.grid(axis="y")
        figure.legend(frameon=False, ncols=3, loc="outside upper center", handlelength=1.4, columnspacing=1.2)
        return svg_of(figure)


def attack_figure(bars: Sequence[AttackBar], pooled_eer: float) -> str:
    """One horizontal bar an attack, with its interval; the pooled EER is a dotted line, a baseline a hollow diamond.

    Args:
        bars: top to bottom.
        pooled_eer: EER over all attacks, a fraction.
    """
    with drawing(height_in=1.0 + 0.26 * len(bars)) as (figure, axes):
        rows = np.arange(len(bars))
        eer = 100 * np.array([bar.eer for bar in bars])
        colours = [KNOWN if bar.known else UNKNOWN for bar in bars]
        axes.barh(rows, eer, color=colours, height=0.7)
        for row, bar in enumerate(bars):
            if bar.interval is not None:
                ends = 100 * np.asarray(bar.interval)
                axes.plot(ends, [row, row], color=INK, linewidth=1.0, marker="|", markersize=6)
            if bar.baseline is not None:
                axes.plot(100 * bar.baseline, row, "D", markersize=5, markerfacecolor="none", markeredgecolor=INK)
        axes.axvline(100 * pooled_eer, color=INK, linestyle=":", linewidth=1.0)
        axes.set_yticks(rows, [f"{bar.label} *" if bar.known else bar.label for bar in bars])
        for text in axes.get_yticklabels():
            text.set_parse_math(False)
        axes.set(xlabel="EER (%)", ylim=(len(bars) - 0.4, -0.6))
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        return svg_of(figure)


def _det_range(systems: Sequence[SystemReport]) -> tuple[float, float]:
    """The lowest and highest error rate that the DET axes show, as fractions.

    Half a trial is the finest rate that the counts can tell; below it a probit axis would run to infinity.
    """
    finest = min(0.5 / max(s.evaluation.counts.bonafide, s.evaluation.counts.spoof) for s in systems)
    low = float(np.clip(finest, 1e-5, 0.02))
    worst = max(s.evaluation.eer for s in systems)
    return low, _DET_TICKS[-1] if worst < 0.4 else 1 - low


def _probit_axes(axes: Axes, low: float, high: float) -> None:
    """Percent ticks at their normal deviates on both axes."""
    candidates = _DET_TICKS if high == _DET_TICKS[-1] else _DET_TICKS_WHOLE
    ticks = [tick for tick in candidates if low <= tick <= high]
    names = [f"{100 * tick:g}" for tick in ticks]
    axes.set_xticks(normal_deviates(ticks), names)
    axes.set_yticks(normal_deviates(ticks), names)
    limits = (float(normal_deviates(low)), float(normal_deviates(high)))
    axes.set(xlim=limits, ylim=limits, xlabel="P_fa (%)", ylabel="P_miss (%)", aspect="equal")
    axes.grid()
