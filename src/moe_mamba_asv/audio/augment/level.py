"""Louder, fainter, and too loud."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moe_mamba_asv.audio.augment.ranges import within
from moe_mamba_asv.audio.augment.transform import Transform


class Gain(Transform):
    """Another level; what passes full scale is not clipped. Length and timing stay."""

    kind: Literal["gain"] = "gain"
    gain_db: Annotated[tuple[float, float], within(-120, 60)] = Field(
        default=(-15.0, 6.0), description="range of the gain, in dB"
    )

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Multiply by a drawn gain."""
        return waveform * np.float32(10 ** (rng.uniform(*self.gain_db) / 20))


class Clipping(Transform):
    """The loudest samples cut to one level, as by a microphone that is overdriven. Length and timing stay.

    Samples of digital silence do not count, since no level clips them: a clip of few sounding samples is not lost.
    """

    kind: Literal["clipping"] = "clipping"
    share: Annotated[tuple[float, float], within(0, 0.9)] = Field(
        default=(0.001, 0.1), description="range of the share of the samples other than 0 that are clipped"
    )

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw a share, then clip it; see `clip_share`."""
        return clip_share(waveform, rng.uniform(*self.share))


def clip_share(waveform: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Clip at the level that a share of the samples other than 0 passes.

    Args:
        waveform: shape (samples,); it is not written to.
        share: from 0 to 1; samples of equal size are clipped together or not at all.

    Returns:
        Shape (samples,).
    """
    sizes = np.abs(waveform[waveform != 0])
    if len(sizes) == 0:
        return waveform
    level = np.quantile(sizes, 1 - share, method="lower")
    return np.clip(waveform, -level, level)
