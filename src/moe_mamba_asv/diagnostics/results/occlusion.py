"""What a clip's score rests on: how it changes when a stretch of time, a band, or both at once are taken away."""

from moe_mamba_asv.evaluation.result import Result


class Cell(Result):
    """A stretch of time in a band, and how far the score moved without it.

    Attributes:
        start_s: from.
        end_s: to.
        low_hz: from.
        high_hz: to.
        change: score without it minus score of the whole.
    """

    start_s: float
    end_s: float
    low_hz: float
    high_hz: float
    change: float


class OcclusionResult(Result):
    """Changes of the score; below 0, what was taken away spoke for bona fide speech, above 0 for a spoof.

    Attributes:
        score: of the clip as it is.
        times_s: edges of the windows, one more than there are windows, from the clip's start.
        bands_hz: edges of the bands, likewise.
        time_changes: without a window, all bands of it.
        band_changes: without a band, all the time.
        changes: (windows, bands), without a band in a window.
        telling: the window and band without which the score moves farthest.
        repeated_from_s: where the clip ended and was repeated to fill what the model hears; None where it is longer.
        attenuation_db: by how much a part is lowered that is taken away.
    """

    score: float
    times_s: tuple[float, ...]
    bands_hz: tuple[float, ...]
    time_changes: tuple[float, ...]
    band_changes: tuple[float, ...]
    changes: tuple[tuple[float, ...], ...]
    telling: Cell
    repeated_from_s: float | None
    attenuation_db: float
