"""Bona fide clips that become spoofed ones on the spot: attacks for training without a corpus of them."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from moe_mamba_asv.corpora.minispoof.attacks.catalogue import ATTACKS
from moe_mamba_asv.corpora.minispoof.attacks.recording import Recording
from moe_mamba_asv.corpora.minispoof.finish import match

#: A crop below this is silence, of which no synthesis makes anything.
_SILENT_RMS = 1e-5
_ATTACK_BY_ID = {attack.facts.id: attack for attack in ATTACKS if attack.material == "waveform" and not attack.engines}


class VocodedConfig(BaseModel):
    """Which share of bona fide clips is replaced by its own synthesis, and by what.

    Source: Wang & Yamagishi (2023), Spoofed training data for speech spoofing countermeasure can be efficiently
        created using neural vocoders; here with the attacks of minispoof, a clip drawn anew each time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    p: float = Field(default=0.3, gt=0, le=1, description="share of the bona fide clips that are replaced")
    attacks: tuple[str, ...] = Field(
        default=("A01", "A02", "A05", "A06"),
        min_length=1,
        description="of minispoof (`mma corpus attacks`), those made of a waveform without an engine; its evaluation "
        "attacks are among them, and are then no longer unseen",
    )

    @field_validator("attacks")
    @classmethod
    def _known(cls, attacks: tuple[str, ...]) -> tuple[str, ...]:
        if strange := sorted(set(attacks) - set(_ATTACK_BY_ID)):
            raise ValueError(f"attacks {', '.join(strange)}; wanted some of {', '.join(_ATTACK_BY_ID)}")
        return attacks


def vocoded(crop: NDArray[np.float32], config: VocodedConfig, rng: np.random.Generator) -> NDArray[np.float32] | None:
    """A synthesis of a bona fide crop, or None where the crop is to stay as it is.

    Length, level, edge silences and background are the crop's own.

    Args:
        crop: shape (samples,), 16 kHz.
        config: how often, and by what.
        rng: draws whether, which attack, and what the attack draws.
    """
    if rng.random() >= config.p or np.sqrt(np.mean(np.square(crop, dtype=np.float64))) < _SILENT_RMS:
        return None
    attack = _ATTACK_BY_ID[config.attacks[rng.integers(len(config.attacks))]]
    original = crop.astype(np.float64)
    return match(attack.synthesize(Recording(original), rng), original, rng).astype(np.float32)
