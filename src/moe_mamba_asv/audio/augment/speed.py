"""Faster and slower."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moe_mamba_asv.audio.augment.ranges import within
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ, resample


class Speed(Transform):
    """Played faster or slower, the pitch with it. The answer may be shorter or longer than the clip.

    Source: Ko, Peddinti, Povey & Khudanpur, "Audio Augmentation for Speech Recognition", 2015.
    """

    kind: Literal["speed"] = "speed"
    factor: Annotated[tuple[float, float], within(0.25, 4)] = Field(
        default=(0.9, 1.1), description="range of the factor; 2 is twice as fast"
    )

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw a factor, then play at it; see `change_speed`."""
        return change_speed(waveform, rng.uniform(*self.factor))


def change_speed(waveform: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    """Resample by a factor, which is rounded to a sixteen-thousandth.

    Args:
        waveform: shape (samples,), 16 kHz, at least one sample; it is not written to.
        factor: above 0; 2 is twice as fast.

    Returns:
        Shape (round(samples / factor),), at least one sample.
    """
    return resample(waveform, round(factor * SAMPLE_RATE_HZ))
