"""Figures as SVG text: DET curves, score histograms, per-attack error bars.

A figure holds numbers, Latin words and attack ids only; what it means is said in the caption, in the
reader's language. Colours are from Okabe & Ito's set, safe for colour-blind readers, and no meaning rests
on colour alone: DET curves differ in dashes and known attacks carry an asterisk.

Figures are drawn in marker colours. `for_page` turns those into CSS colours, so that one drawing serves
light and dark pages; `for_file` makes a standalone file on a white card.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

from moe_mamba_asv.reports.model import ScoreHistogram, SystemReport

INK = "#010203"
BONAFIDE, SPOOF, KNOWN, UNKNOWN = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
#: Colour and dash pattern of the first, second … system; they repeat after twelve.
CURVE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
CURVE_DASHES = ("-", "--")

_DET_TICKS = (0.0001, 0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
#: Of axes that run up to 100 %, for a system near chance or beyond it.
_DET_TICKS_WHOLE = (0.0001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.9999)
_WIDTH_IN = 4.7
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "moe-mamba-asv",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


@dataclass(frozen=True)
class AttackBar:
    """What one bar shows: fractions, not percent.

    Attributes:
        label: as `figure_label` gives it.
        eer: height of the bar.
        interval: its lower and upper end; None where none was computed.
        known: None where the corpus does not tell.
    """

    label: str
    eer: float
    interval: tuple[float, float] | None
    known: bool | None


def figure_label(name: str, number: int, *, longest: int = 18) -> str:
    """A name as a figure can carry it: short ASCII as it is, anything else as ``#number``."""
    if name.isascii() and name.isprintable() and len(name) <= longest:
        return name
    return f"#{number}"


def det_figure(systems: Sequence[SystemReport]) -> str:
    """DET curves on normal-deviate axes, where a Gaussian system is a straight line.

    Args:
        systems: at least one; labelled 1, 2, … in the legend when there are several.
    """
    with _drawing(height_in=4.4) as (figure, axes):
        low, high = _det_range(systems)
        axes.plot(ndtri([low, high]), ndtri([low, high]), color=INK, alpha=0.35, linewidth=0.8, linestyle=":")
        for number, system in enumerate(systems, start=1):
            colour, dash = curve_style(number)
            # Zero errors lie at minus infinity: they are drawn on the lower edge, and the upper ends beyond the axes.
            p_fa = ndtri(np.clip(system.det.p_fa, low, 1 - low))
            p_miss = ndtri(np.clip(system.det.p_miss, low, 1 - low))
            axes.plot(p_fa, p_miss, color=colour, linestyle=dash, linewidth=1.8, label=str(number))
            eer = ndtri(np.clip(system.evaluation.eer, low, 1 - low))
            axes.plot(
                eer, eer, "o", markersize=6, color=colour, markeredgecolor=INK, markeredgewidth=0.6, clip_on=False
            )
        _probit_axes(axes, low, high)
        if len(systems) > 1:
            axes.legend(frameon=False, loc="upper right")
        return _svg(figure)


def curve_style(number: int) -> tuple[str, str]:
    """Colour and dash of the system with this number, counted from 1."""
    index = number - 1
    dash = CURVE_DASHES[index // len(CURVE_COLOURS) % len(CURVE_DASHES)]
    return CURVE_COLOURS[index % len(CURVE_COLOURS)], dash


def histogram_figure(histogram: ScoreHistogram, threshold: float) -> str:
    """Score histograms of both classes, each as a share of its own class.

    Args:
        histogram: counts of both classes over the same bins.
        threshold: the EER threshold, in score units; drawn as a dashed line.
    """
    with _drawing(height_in=3.6) as (figure, axes):
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
        return _svg(figure)


def attack_figure(bars: Sequence[AttackBar], pooled_eer: float) -> str:
    """One horizontal bar an attack, with its interval; the pooled EER is a dotted line.

    Args:
        bars: top to bottom.
        pooled_eer: EER over all attacks, a fraction.
    """
    with _drawing(height_in=1.0 + 0.26 * len(bars)) as (figure, axes):
        rows = np.arange(len(bars))
        eer = 100 * np.array([bar.eer for bar in bars])
        colours = [KNOWN if bar.known else UNKNOWN for bar in bars]
        axes.barh(rows, eer, color=colours, height=0.7)
        for row, bar in enumerate(bars):
            if bar.interval is not None:
                ends = 100 * np.asarray(bar.interval)
                axes.plot(ends, [row, row], color=INK, linewidth=1.0, marker="|", markersize=6)
        axes.axvline(100 * pooled_eer, color=INK, linestyle=":", linewidth=1.0)
        axes.set_yticks(rows, [f"{bar.label} *" if bar.known else bar.label for bar in bars])
        for text in axes.get_yticklabels():
            text.set_parse_math(False)
        axes.set(xlabel="EER (%)", ylim=(len(bars) - 0.4, -0.6))
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        return _svg(figure)


def for_page(svg: str, name: str) -> str:
    """An SVG that can stand inside an HTML page beside others.

    Ids get `name` as prefix (they must be unique in a page), marker colours become CSS colours, and the
    namespace addresses go: HTML does not need them.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    # A viewBox alone lets the page decide the size; the drawn width is the largest that looks right.
    style = f"width:100%;max-width:{round(_WIDTH_IN * 96)}px"
    svg = re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', rf'\1 aria-hidden="true" style="{style}"', svg, count=1)
    svg = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", svg, count=1)
    return svg.replace(INK, "currentColor").strip()


def for_file(svg: str) -> str:
    """A standalone SVG file: dark ink on a white card, readable on any background."""
    card = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return re.sub(r"(<svg[^>]*>)", rf"\1{card}", svg, count=1).replace(INK, "#1a1a1a")


@contextmanager
def _drawing(height_in: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of the report's width, without pyplot's global state."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        yield figure, figure.subplots()


def _svg(figure: Figure) -> str:
    """The figure as SVG text that is the same on every run."""
    buffer = io.StringIO()
    no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    return buffer.getvalue()


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
    axes.set_xticks(ndtri(ticks), names)
    axes.set_yticks(ndtri(ticks), names)
    limits = (float(ndtri(low)), float(ndtri(high)))
    axes.set(xlim=limits, ylim=limits, xlabel="P_fa (%)", ylabel="P_miss (%)", aspect="equal")
    axes.grid()


def legend_swatch(number: int) -> str:
    """A small SVG line in the style of the system with this number, for a legend in HTML."""
    colour, dash = curve_style(number)
    dashes = "" if dash == "-" else ' stroke-dasharray="5 3"'
    return (
        '<svg class="swatch" width="26" height="8" viewBox="0 0 26 8" aria-hidden="true">'
        f'<path d="M0 4H26" stroke="{colour}" stroke-width="3" fill="none"{dashes}/></svg>'
    )
