"""How training runs went: loss and EER on dev over epochs, the best epoch, and numbers that were not finite."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from moe_mamba_asv.diagnostics.results.training import TrainingResult
from moe_mamba_asv.reports.canvas import INK, curve_style, drawing, figure_label, svg_of


def training_figure(results: Sequence[tuple[str, TrainingResult]]) -> str:
    """Training loss above, EER on dev below, over the same epochs.

    The best epoch has a dot, the epochs that are called over-fitting a thicker line, and every number that was not
    finite a tick at the bottom.

    Args:
        results: name and run, at least one; a name that a figure's font lacks becomes its number.
    """
    with drawing(height_in=4.2) as (figure, axes):
        figure.delaxes(axes)
        top, bottom = figure.subplots(2, 1, sharex=True)
        for number, (name, result) in enumerate(results, start=1):
            _draw(top, bottom, result, figure_label(name, number), number)
        top.set_ylabel("training loss")
        bottom.set(xlabel="epoch", ylabel="dev EER (%)")
        bottom.set_ylim(bottom=0)
        bottom.xaxis.get_major_locator().set_params(integer=True)
        for panel in (top, bottom):
            panel.grid()
        if len(results) > 1:
            handles, labels = top.get_legend_handles_labels()
            legend = figure.legend(handles, labels, frameon=False, ncols=3, loc="outside upper center")
            for text in legend.get_texts():
                text.set_parse_math(False)
        return svg_of(figure)


def _draw(top: Axes, bottom: Axes, result: TrainingResult, label: str, number: int) -> None:
    """One run in both panels."""
    colour, dash = curve_style(number)
    epochs = [epoch.epoch for epoch in result.epochs]
    eers = [100 * epoch.dev_eer for epoch in result.epochs]
    losses = [np.nan if epoch.loss is None else epoch.loss for epoch in result.epochs]
    for panel, values in ((top, losses), (bottom, eers)):
        panel.plot(epochs, values, color=colour, linestyle=dash, linewidth=1.6, label=label)
        if len(epochs) == 1:  # a line of one point would not be seen
            panel.plot(epochs, values, ".", color=colour)
    if result.best_epoch is not None:
        best = eers[result.best_epoch - 1]
        marks = {"markersize": 7, "color": colour, "markeredgecolor": INK, "markeredgewidth": 0.6, "clip_on": False}
        bottom.plot([result.best_epoch], [best], "o", **marks)
    if result.overfit_since is not None:
        since = result.overfit_since - 1
        bottom.plot(epochs[since:], eers[since:], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
    ticks = _event_epochs(result)
    # Their height is that of the axes: where a number was not finite there is no value to stand at.
    top.plot(ticks, [0.03] * len(ticks), "|", color=colour, markersize=9, transform=top.get_xaxis_transform())


def _event_epochs(result: TrainingResult) -> list[float]:
    """Where among the epochs numbers were not finite; a step within an epoch lies between its ends."""
    steps = sorted({step for one in result.non_finite for step in one.steps})
    ends = [0, *(epoch.step for epoch in result.epochs)]
    # Beyond the last epoch, or where there is none, they stand where the next one would begin.
    return [float(np.interp(step, ends, range(len(ends)))) for step in steps]
