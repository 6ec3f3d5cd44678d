"""All transforms as one field of a configuration, and several of them done in turn."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from moe_mamba_asv.audio.augment.band import BandLimit
from moe_mamba_asv.audio.augment.codec import Codec
from moe_mamba_asv.audio.augment.level import Clipping, Gain
from moe_mamba_asv.audio.augment.noise import Noise
from moe_mamba_asv.audio.augment.packet_loss import PacketLoss
from moe_mamba_asv.audio.augment.rawboost import RawBoost
from moe_mamba_asv.audio.augment.reverb import Reverb
from moe_mamba_asv.audio.augment.silence import TrimSilence
from moe_mamba_asv.audio.augment.speed import Speed
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.errors import AudioError

Augmentation = Annotated[
    RawBoost | Codec | PacketLoss | Noise | Reverb | Gain | Clipping | BandLimit | TrimSilence | Speed,
    Field(discriminator="kind"),
]


def augment(
    waveform: NDArray[np.float32], transforms: Sequence[Transform], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Do transforms in turn.

    Args:
        waveform: mono, shape (samples,), 16 kHz, at least one sample; it is not written to.
        transforms: first to last; none leaves the clip as it is.
        rng: draws what each of them does.

    Returns:
        Shape (samples,); as many as before, but for transforms that say otherwise.

    Raises:
        AudioError: a transform cannot do it, or what it gave is no waveform.
    """
    _check(waveform, "the clip to augment")
    for transform in transforms:
        waveform = transform(waveform, rng)
        _check(waveform, f"what {type(transform).__name__} gave")
    return waveform


def _check(waveform: NDArray[np.float32], name: str) -> None:
    if waveform.dtype != np.float32 or waveform.ndim != 1 or len(waveform) == 0:
        raise AudioError(
            f"{name} is {waveform.dtype} of shape {waveform.shape}", wanted="float32 of shape (samples,), not empty"
        )
    if not np.isfinite(waveform).all():
        bad = np.count_nonzero(~np.isfinite(waveform))
        raise AudioError(f"{name} holds {bad} samples that are NaN or infinite", wanted="finite samples")
