"""The band of the telephone network."""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.signal import fftconvolve, firwin

from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

#: About 110 Hz from pass to stop, so that a lower edge of 300 Hz is one.
_NUM_TAPS = 481


class TelephoneBand(Transform):
    """Only what a line passes, nominally 300 to 3,400 Hz; each clip has its own line. Length and timing stay.

    Source: ITU-T G.712 (the nominal band); the edges are drawn since no two lines are equal.
    """

    kind: Literal["telephone-band"] = "telephone-band"
    low_hz: tuple[float, float] = Field(default=(200.0, 350.0), description="range of the lower edge (-6 dB), in Hz")
    high_hz: tuple[float, float] = Field(
        default=(3_200.0, 3_600.0), description="range of the upper edge (-6 dB), in Hz"
    )

    @model_validator(mode="after")
    def _edges_are_in_order(self) -> Self:
        """A band lies between its edges, and below half the sampling rate."""
        (lowest, low), (high, highest) = self.low_hz, self.high_hz
        if not 0 < lowest <= low < high <= highest < SAMPLE_RATE_HZ / 2:
            raise ValueError(f"low_hz {self.low_hz}, high_hz {self.high_hz}; wanted edges rising from 0 to 8,000 Hz")
        return self

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Filter by a band-pass of linear phase, its delay taken out."""
        edges = [rng.uniform(*self.low_hz), rng.uniform(*self.high_hz)]
        line = firwin(_NUM_TAPS, edges, pass_zero=False, fs=SAMPLE_RATE_HZ)
        filtered = fftconvolve(waveform, line)[_NUM_TAPS // 2 :][: len(waveform)]
        return filtered.astype(np.float32)
