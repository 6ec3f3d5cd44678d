"""What a model listens to by its weights: layers of a self-supervised model, edges and answers of sinc filters."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator

from moe_mamba_asv.diagnostics.results.layers import LayersResult, SincBankResult
from moe_mamba_asv.reports.canvas import BONAFIDE, INK, SPOOF, curve_style, drawing, svg_of

#: Deeper than a bank hears; the rest is the floor.
_LOWEST_DB = -40


def layer_weights_figure(layers: LayersResult) -> str:
    """A bar a hidden state, for each learned mean of layers; the dotted line is an equal share.

    Args:
        layers: with at least one such mean; several are numbered.
    """
    with drawing(height_in=1.0 + 1.7 * len(layers.weights)) as (figure, axes):
        figure.delaxes(axes)
        panels = figure.subplots(len(layers.weights), 1, squeeze=False)[:, 0]
        for number, (panel, weights) in enumerate(zip(panels, layers.weights, strict=True), start=1):
            colours = [SPOOF if layer == weights.heaviest else BONAFIDE for layer in range(len(weights.shares))]
            panel.bar(range(len(weights.shares)), 100 * np.array(weights.shares), color=colours, width=0.75)
            panel.axhline(100 / len(weights.shares), color=INK, linestyle=":", linewidth=1.0)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
            panel.set(ylabel="share (%)" if len(panels) == 1 else f"#{number}  share (%)")
            panel.grid(axis="y")
        panels[-1].set_xlabel("layer")
        return svg_of(figure)


def sinc_figure(layers: LayersResult) -> str:
    """Bands of the filters on the left half, what all of them let through on the right, for each bank.

    The start is thin and grey, the present is in colour; a filter is as opaque as its gate is open. Frequencies that
    the bank does not hear are shaded.

    Args:
        layers: with at least one bank; several are numbered.
    """
    with drawing(height_in=3.4 * len(layers.banks)) as (figure, axes):
        figure.delaxes(axes)
        rows = figure.subplots(len(layers.banks), 2, squeeze=False)
        for number, ((left, right), bank) in enumerate(zip(rows, layers.banks, strict=True), start=1):
            _draw_bands(left, bank)
            _draw_response(right, bank)
            left.set_ylabel("filter" if len(rows) == 1 else f"#{number}  filter")
        for panel in rows[-1]:
            panel.set_xlabel("frequency (kHz)")
        return svg_of(figure)


def _draw_bands(axes: Axes, bank: SincBankResult) -> None:
    colour, _ = curve_style(1)
    rows = np.arange(1, len(bank.filters) + 1)
    starts = [[one.start_low_hz / 1000, one.start_high_hz / 1000] for one in bank.filters]
    axes.hlines(rows, *np.transpose(starts), color=INK, alpha=0.45, linewidth=0.7)
    ends = [[one.low_hz / 1000, one.high_hz / 1000] for one in bank.filters]
    # No gate makes a filter invisible: where it lies is to be seen even if it lets nothing through.
    colours = [to_rgba(colour, 0.2 + 0.8 * one.mask) for one in bank.filters]
    axes.hlines(rows, *np.transpose(ends), color=colours, linewidth=2.0)
    axes.set(xlim=(0, 8), ylim=(0, len(rows) + 1))
    axes.grid(axis="x")


def _draw_response(axes: Axes, bank: SincBankResult) -> None:
    colour, _ = curve_style(1)
    frequencies = np.array(bank.frequencies_hz) / 1000
    loudest = max(bank.start_summed_db)
    for levels, style in (
        (bank.start_summed_db, {"color": INK, "alpha": 0.6, "linewidth": 1.0, "linestyle": "--", "label": "start"}),
        (bank.summed_db, {"color": colour, "linewidth": 1.6, "label": "now"}),
    ):
        axes.plot(frequencies, np.maximum(np.array(levels) - loudest, _LOWEST_DB), **style)
    unheard = ~np.array(bank.heard)
    whole = axes.get_xaxis_transform()
    axes.fill_between(frequencies, 0, 1, where=unheard, transform=whole, color=SPOOF, alpha=0.18, linewidth=0)
    axes.set(xlim=(0, 8), ylabel="level (dB)")
    axes.set_ylim(bottom=_LOWEST_DB)
    axes.grid()
    axes.legend(frameon=False, loc="lower left")
