"""Parts of the spectrum that a channel lets through."""

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.signal import fftconvolve, firwin

from moe_mamba_asv.audio.augment.ranges import within
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

#: From pass to stop (-50 dB) in about 55 Hz, so that an edge of 50 Hz is one.
_NUM_TAPS = 961


class BandLimit(Transform):
    """High-pass, low-pass or both, with drawn edges. Length and timing stay.

    Edges of exactly 300 and 3,400 Hz are the nominal band of the telephone network (ITU-T G.712), which lies in the
    range of the defaults.
    """

    kind: Literal["band-limit"] = "band-limit"
    low_edge_hz: Annotated[tuple[float, float], within(50, 7_900)] | None = Field(
        default=(50.0, 400.0), description="range of the lower edge (-6 dB), in Hz; none without high-pass"
    )
    high_edge_hz: Annotated[tuple[float, float], within(50, 7_900)] | None = Field(
        default=(3_000.0, 7_000.0), description="range of the upper edge (-6 dB), in Hz; none without low-pass"
    )

    @model_validator(mode="after")
    def _something_passes_and_something_does_not(self) -> Self:
        low, high = self.low_edge_hz, self.high_edge_hz
        if low is None and high is None:
            raise ValueError("low_edge_hz and high_edge_hz are none; wanted at least one edge")
        if low is not None and high is not None and low[1] + 100 > high[0]:
            raise ValueError(f"low_edge_hz {low}, high_edge_hz {high}; wanted 100 Hz or more between them")
        return self

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw the edges, then limit the band; see `limit_band`."""
        low_hz = None if self.low_edge_hz is None else rng.uniform(*self.low_edge_hz)
        high_hz = None if self.high_edge_hz is None else rng.uniform(*self.high_edge_hz)
        return limit_band(waveform, low_hz, high_hz)


def limit_band(waveform: NDArray[np.float32], low_hz: float | None, high_hz: float | None) -> NDArray[np.float32]:
    """Filter by a linear-phase filter, its delay taken out; 60 Hz outside the band, 50 dB are missing.

    Args:
        waveform: shape (samples,), 16 kHz; it is not written to.
        low_hz: lower edge (-6 dB); None passes all below.
        high_hz: upper edge (-6 dB); None passes all above. One of both is wanted.

    Returns:
        Shape (samples,).
    """
    edges_hz = [edge for edge in (low_hz, high_hz) if edge is not None]
    taps = firwin(_NUM_TAPS, edges_hz, pass_zero=low_hz is None, fs=SAMPLE_RATE_HZ)
    return fftconvolve(waveform, taps)[_NUM_TAPS // 2 :][: len(waveform)].astype(np.float32)
