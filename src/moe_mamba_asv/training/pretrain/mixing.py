"""A second sound in part of a clip: the model must keep to the first."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class MixingConfig(BaseModel):
    """How often, what, and how loud."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: float = Field(default=0.2, gt=0, le=1, description="that something is mixed into a clip")
    noise_share: float = Field(
        default=0.5, ge=0, le=1, description="of these, white noise; the others get speech of the same batch"
    )
    noise_ratio_db: tuple[float, float] = Field(
        default=(-5.0, 20.0), description="lowest and highest power of the clip relative to noise"
    )
    speech_ratio_db: tuple[float, float] = Field(
        default=(-5.0, 5.0), description="lowest and highest power of the clip relative to other speech"
    )


def mix_clips(waveforms: NDArray[np.float32], config: MixingConfig, random: np.random.Generator) -> NDArray[np.float32]:
    """Add a part of another clip, or noise, to at most half of a clip.

    A batch of one clip gets noise. Nothing can be mixed with silence: a silent clip stays as it is, and so does one
    that draws a silent other.

    Args:
        waveforms: (batch, samples); targets are made of these.
        config: how often, what, and how loud.
        random: of the step.

    Returns:
        The same shape, a copy: what the model hears.

    Source: Chen et al., "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing", 2022,
        section III-A. There the noises are recordings; here they are white, so that nothing has to be fetched.
    """
    heard = waveforms.copy()
    batch, num_samples = waveforms.shape
    for row, clip in enumerate(waveforms):
        if random.random() >= config.probability:
            continue
        count = int(random.integers(1, num_samples // 2 + 1))
        start, other_start = random.integers(num_samples - count + 1, size=2)
        if batch == 1 or random.random() < config.noise_share:
            other, ratio_db = random.standard_normal(num_samples, np.float32), random.uniform(*config.noise_ratio_db)
        else:
            other = waveforms[(row + random.integers(1, batch)) % batch]
            ratio_db = random.uniform(*config.speech_ratio_db)
        part = other[other_start : other_start + count]
        heard[row, start : start + count] += _gain(clip, other, ratio_db) * part
    return heard


def _gain(clip: NDArray[np.float32], other: NDArray[np.float32], ratio_db: float) -> np.float32:
    """Factor that puts the other's power so far below the clip's; 0 where one of them is silent."""
    power, other_power = (np.mean(np.square(sound, dtype=np.float64)) for sound in (clip, other))
    return np.float32(np.sqrt(power / other_power / 10 ** (ratio_db / 10)) if other_power else 0.0)
