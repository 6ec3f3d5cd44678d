"""Figures of what goes on inside a model: streams and routers."""

import matplotlib as mpl
import numpy as np

from moe_mamba_asv.diagnostics.results.router import RouterBlock, RouterResult
from moe_mamba_asv.diagnostics.results.streams import StreamsResult
from moe_mamba_asv.reports.canvas import BONAFIDE, INK, SPOOF, drawing, figure_label, svg_of

_COLOURS = mpl.colormaps["Blues"]
_ROW_IN = 0.26
#: Darker cells get white text.
_WHITE_TEXT_FROM = 0.55


def streams_figure(result: StreamsResult) -> str:
    """EER of all clips and of each attack: with both streams, and with either replaced by its mean."""
    first, second = result.streams
    groups = {"all": (first.pooled, second.pooled)}
    groups |= {name: (first.attacks[name], second.attacks[name]) for name in first.attacks}
    with drawing(height_in=1.3 + 0.34 * len(groups)) as (figure, axes):
        for row, shifts in enumerate(groups.values()):
            for stream, shift, colour, offset in zip(
                result.streams, shifts, (BONAFIDE, SPOOF), (-0.16, 0.16), strict=True
            ):
                label = f"without {stream.name}" if row == 0 else None
                ends = 100 * np.clip(np.add(shift.before, shift.ci), 0, 1)
                place = row + offset
                axes.plot(ends, [place, place], color=colour, linewidth=1.2, marker="|", markersize=6)
                marker = "o" if offset < 0 else "s"
                axes.plot(100 * shift.after, place, marker, color=colour, markersize=6, label=label)
            label = "both" if row == 0 else None
            axes.plot(100 * shifts[0].before, row, "|", color=INK, markersize=14, markeredgewidth=2, label=label)
        names = [figure_label(name, row) for row, name in enumerate(groups)]
        axes.set_yticks(np.arange(len(groups)), names)
        axes.set(xlabel="EER (%)", ylim=(len(groups) - 0.4, -0.6))
        axes.set_xlim(left=0)
        axes.grid(axis="x")
        figure.legend(frameon=False, ncols=3, loc="outside upper center", handlelength=1.2, columnspacing=1.2)
        return svg_of(figure)


def router_figure(result: RouterResult) -> str:
    """Share of each expert, in percent: a row for each attack, columns by block and expert, lines between blocks."""
    groups = list(result.blocks[0].groups)
    shares = np.array([[share for block in result.blocks for share in _of(block, name)] for name in groups])
    experts = len(result.blocks[0].shares)
    with drawing(height_in=1.1 + _ROW_IN * len(groups)) as (figure, axes):
        axes.pcolormesh(shares, cmap=_COLOURS, vmin=0, vmax=1, edgecolors=INK, linewidth=0.3)
        size = 9 if shares.shape[1] <= 12 else 6
        for (row, column), share in np.ndenumerate(shares):
            colour = "#ffffff" if share > _WHITE_TEXT_FROM else "#000000"
            axes.text(
                column + 0.5, row + 0.5, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=size
            )
        for block in range(1, len(result.blocks)):
            axes.axvline(block * experts, color=INK, linewidth=2.2)
        names = [figure_label(name, row) for row, name in enumerate(groups, start=1)]
        axes.set_yticks(np.arange(len(groups)) + 0.5, names)
        columns = [
            f"{block}.{expert}" for block in range(1, len(result.blocks) + 1) for expert in range(1, experts + 1)
        ]
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=size)
        axes.tick_params(length=0)
        axes.set(xlabel="block.expert, % of choices", ylim=(len(groups), 0))
        axes.spines[["left", "bottom"]].set_visible(False)
        return svg_of(figure)


def _of(block: RouterBlock, group: str) -> tuple[float, ...]:
    return block.groups[group]
