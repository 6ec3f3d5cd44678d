"""The timeline of a long recording: a score for each window that votes, and where none does."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from moe_mamba_asv.reports.canvas import BONAFIDE, INK, SPOOF, drawing, svg_of
from moe_mamba_asv.scoring.long_score import LongScore, PooledScore

#: Longer recordings are shown in minutes.
_SECONDS_UP_TO_S = 300.0
_DOTS_UP_TO = 60


def timeline_figure(result: LongScore) -> str:
    """Scores over time; each stands at the middle of its window.

    What no voting window covers is grey. Lines show the mean of all that vote and that of the lowest; the lowest window
    has a ring.

    Args:
        result: of one recording.
    """
    unit_s, unit = (1.0, "s") if result.duration_s <= _SECONDS_UP_TO_S else (60.0, "min")
    with drawing(height_in=2.8) as (figure, axes):
        for number, (start_s, end_s) in enumerate(result.stretches_without_vote):
            label = "no vote" if number == 0 else None
            axes.axvspan(start_s / unit_s, end_s / unit_s, color=INK, alpha=0.14, linewidth=0, label=label)
        centres = np.array([window.centre_s for window in result.windows]) / unit_s
        # NaN, a window without a vote, breaks the line.
        scores = np.array([np.nan if window.score is None else window.score for window in result.windows])
        axes.plot(centres, scores, color=BONAFIDE, linewidth=1.2)
        dotted = np.full(len(scores), True) if len(scores) <= _DOTS_UP_TO else _alone(scores)
        axes.plot(centres[dotted], scores[dotted], "o", color=BONAFIDE, markersize=3)
        if result.pooled is not None:
            _draw_pooled(axes, result.pooled, centres, scores)
        axes.set(xlabel=f"time ({unit})", ylabel="score", xlim=(0, result.duration_s / unit_s))
        axes.grid(axis="y")
        narrow = {"handlelength": 1.5, "columnspacing": 1.2}
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False, **narrow)
        return svg_of(figure)


def _draw_pooled(axes: Axes, pooled: PooledScore, centres: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    axes.axhline(pooled.mean, color=INK, linestyle="--", linewidth=1.0, label="mean")
    axes.axhline(
        pooled.lowest_mean, color=SPOOF, linestyle=":", linewidth=1.4, label=f"mean of lowest {pooled.lowest_count}"
    )
    lowest = int(np.nanargmin(scores))
    ring = {"color": SPOOF, "fillstyle": "none", "markersize": 8, "linestyle": "none", "clip_on": False}
    axes.plot(centres[lowest], scores[lowest], marker="o", label="minimum", **ring)


def _alone(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Scores between two windows without a vote, which a line alone would not show."""
    absent = np.pad(np.isnan(scores), 1, constant_values=True)
    return ~absent[1:-1] & absent[:-2] & absent[2:]
