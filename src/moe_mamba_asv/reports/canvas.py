"""What every figure is drawn on: SVG text in the report's width, colours and fonts.

Figures are drawn in marker colours. `for_page` turns those into CSS colours, so that one drawing serves
light and dark pages; `for_file` makes a standalone file on a white card. Colours are from Okabe & Ito's set,
safe for colour-blind readers.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#010203"
BONAFIDE, SPOOF, KNOWN, UNKNOWN = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
#: Colour and dash pattern of the first, second … system; they repeat after twelve.
CURVE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
CURVE_DASHES = ("-", "--")

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


def figure_label(name: str, number: int, *, longest: int = 18) -> str:
    """A name as a figure can carry it: short ASCII as it is, anything else as ``#number``."""
    if name.isascii() and name.isprintable() and len(name) <= longest:
        return name
    return f"#{number}"


def curve_style(number: int) -> tuple[str, str]:
    """Colour and dash of the system with this number, counted from 1."""
    index = number - 1
    dash = CURVE_DASHES[index // len(CURVE_COLOURS) % len(CURVE_DASHES)]
    return CURVE_COLOURS[index % len(CURVE_COLOURS)], dash


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
def drawing(height_in: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of the report's width, without pyplot's global state."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
        yield figure, figure.subplots()


def svg_of(figure: Figure) -> str:
    """The figure as SVG text that is the same on every run."""
    buffer = io.StringIO()
    no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    return buffer.getvalue()


def legend_swatch(number: int) -> str:
    """A small SVG line in the style of the system with this number, for a legend in HTML."""
    colour, dash = curve_style(number)
    dashes = "" if dash == "-" else ' stroke-dasharray="5 3"'
    return (
        '<svg class="swatch" width="26" height="8" viewBox="0 0 26 8" aria-hidden="true">'
        f'<path d="M0 4H26" stroke="{colour}" stroke-width="3" fill="none"{dashes}/></svg>'
    )
