"""Where in a clip a score comes from: a map of time and frequency, and the sums of its sides."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize

from moe_mamba_asv.diagnostics.results.occlusion import OcclusionResult
from moe_mamba_asv.reports.canvas import BONAFIDE, INK, SPOOF, drawing, svg_of

#: As many steps as an eye tells apart; finer ones only make the file larger.
_NUM_COLOURS = 21
#: Blue where the score falls without a part, which so spoke for bona fide speech; orange where it rises.
_COLOURS = LinearSegmentedColormap.from_list("evidence", [BONAFIDE, "#f2f2f2", SPOOF], N=_NUM_COLOURS)


def occlusion_figure(result: OcclusionResult) -> str:
    """How the score changes without each part: a map, windows above it, bands to its right.

    The most telling cell has a frame. A dotted line stands where a short clip was repeated.

    Args:
        result: of one clip.
    """
    with drawing(height_in=3.6) as (figure, axes):
        figure.delaxes(axes)
        ratios = {"width_ratios": (4, 1), "height_ratios": (1, 2.6)}
        (above, empty), (centre, right) = figure.subplots(2, 2, sharex="col", sharey="row", gridspec_kw=ratios)
        empty.set_axis_off()
        times, bands = np.array(result.times_s), np.array(result.bands_hz) / 1000
        # Without any change, all is in the middle of the colours.
        largest = np.abs(result.changes).max() or 1.0
        norm = Normalize(-largest, largest)
        cells = centre.pcolormesh(times, bands, np.transpose(result.changes), cmap=_COLOURS, norm=norm)
        cells.set_edgecolor("face")  # else the page shows through between neighbours
        above.stairs(result.time_changes, times, color=INK, linewidth=1.2)
        right.stairs(result.band_changes, bands, orientation="horizontal", color=INK, linewidth=1.2)
        above.axhline(0, color=INK, alpha=0.4, linewidth=0.7)
        right.axvline(0, color=INK, alpha=0.4, linewidth=0.7)
        telling = result.telling
        left_s, right_s, low, high = telling.start_s, telling.end_s, telling.low_hz / 1000, telling.high_hz / 1000
        corners = ([left_s, right_s, right_s, left_s, left_s], [low, low, high, high, low])
        centre.plot(*corners, color="#000000", linewidth=1.4, clip_on=False)
        if result.repeated_from_s is not None:
            centre.axvline(result.repeated_from_s, color="#000000", linestyle=":", linewidth=1.0)
        above.set(ylabel="change")
        right.set(xlabel="change")
        centre.set(xlabel="time (s)", ylabel="frequency (kHz)", xlim=times[[0, -1]], ylim=bands[[0, -1]])
        figure.colorbar(cells, ax=[above, empty, centre, right], label="score change", fraction=0.05)
        return svg_of(figure)
