"""Less silence before and after the speech."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moe_mamba_asv.audio.augment.ranges import within
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.facts import speech_bounds


class TrimSilence(Transform):
    """Silence at the edges cut short, since its length tells bona fide from spoofed in more than one corpus.

    The answer may be shorter than the clip; what is silent as a whole stays.

    Source: Müller, Dieckmann, Czempin, Canals, Böttinger & Williams, "Speech is Silver, Silence is Golden: What do
        ASVspoof-trained Models Really Learn?", 2021.
    """

    kind: Literal["trim-silence"] = "trim-silence"
    kept_share: Annotated[tuple[float, float], within(0, 1)] = Field(
        default=(0.0, 1.0), description="range of the share that is kept, drawn for each edge"
    )

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw a share for each edge, then cut; see `trim_silence`."""
        before, after = rng.uniform(*self.kept_share, 2)
        return trim_silence(waveform, before, after)


def trim_silence(waveform: NDArray[np.float32], kept_before: float, kept_after: float) -> NDArray[np.float32]:
    """Keep what is nearest to the speech of each edge silence.

    Args:
        waveform: shape (samples,), 16 kHz.
        kept_before: share of the silence before the speech that stays, 0 to 1.
        kept_after: of the silence after it.

    Returns:
        A part of the waveform, at least one sample.
    """
    start, end = speech_bounds(waveform)
    first = start - round(kept_before * start)
    last = end + round(kept_after * (len(waveform) - end))
    return waveform[first:last]
