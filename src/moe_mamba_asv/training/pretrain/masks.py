"""Which frames are hidden from the model."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from moe_mamba_asv.errors import ConfigError


class MaskConfig(BaseModel):
    """Spans of frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: float = Field(default=0.08, gt=0, le=0.5, description="that a span begins at a frame")
    num_frames: int = Field(default=10, ge=1, description="of a span; frames are 20 ms apart in published models")


def draw_mask(num_frames: int, config: MaskConfig, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw the hidden frames of one clip: spans that may overlap, at least one.

    The number of spans is ``probability`` · ``num_frames``, rounded up or down at random so that it is so on the
    average. With the default values, about half of the frames are hidden.

    Args:
        num_frames: of the clip.
        config: how many, how long.
        random: one for each clip.

    Returns:
        (num_frames,), true where hidden.

    Raises:
        ConfigError: a span is no shorter than the clip.

    Source: Baevski et al., "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations", 2020,
        section 3.1; HuBERT and WavLM mask alike.
    """
    if config.num_frames >= num_frames:
        raise ConfigError(
            f"spans of {config.num_frames} frames in crops of {num_frames}", wanted="shorter spans, or longer crops"
        )
    possible_starts = num_frames - config.num_frames + 1
    num_spans = min(max(1, int(config.probability * num_frames + random.random())), possible_starts)
    starts = random.choice(possible_starts, num_spans, replace=False)
    mask = np.zeros(num_frames, np.bool_)
    mask[starts[:, None] + np.arange(config.num_frames)] = True
    return mask
