"""Sound that went through a real codec."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moe_mamba_asv.audio.augment.codec_setting import CodecChain, CodecSetting
from moe_mamba_asv.audio.augment.transform import Transform


class Codec(Transform):
    """One of several codecs, drawn for each clip with equal chances; length and timing stay.

    Detectors lean on what a codec takes away; ASVspoof 2021 showed how much is lost where training heard none.

    Source: Liu et al., "ASVspoof 2021: Towards Spoofed and Deepfake Speech Detection in the Wild", 2023.
    """

    kind: Literal["codec"] = "codec"
    settings: tuple[CodecSetting | CodecChain, ...] = Field(
        min_length=1, description="what is drawn from: a codec with its bit rate or quality, or stages of several"
    )

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Encode and decode by the codec drawn; see `CodecSetting.round_trip`."""
        return self.settings[rng.integers(len(self.settings))].round_trip(waveform)
