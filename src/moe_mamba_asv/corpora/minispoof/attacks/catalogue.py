"""The attacks of minispoof, numbered as in ASVspoof 2019: A01 to A06 for training, A07 onwards for evaluation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.lpc_vocoder import lpc_vocoder
from moe_mamba_asv.corpora.minispoof.attacks.mel_griffin_lim import mel_griffin_lim
from moe_mamba_asv.corpora.minispoof.attacks.mfcc_vocoder import mfcc_vocoder
from moe_mamba_asv.corpora.minispoof.attacks.sinusoidal import sinusoidal
from moe_mamba_asv.corpora.minispoof.attacks.spectral_filtering import spectral_filtering
from moe_mamba_asv.corpora.minispoof.attacks.world import world_copy
from moe_mamba_asv.types import Attack, Partition

Synthesize = Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]


@dataclass(frozen=True)
class SpoofingAttack:
    """One attack: what it is, and the function that makes a spoof of a recording.

    Attributes:
        facts: its entry in the corpus's catalogue.
        synthesize: recording of shape (samples,) at 16 kHz and a generator > spoof of about that length.
    """

    facts: Attack
    synthesize: Synthesize


_COPY, _CONVERSION = "copy-synthesis", "VC"

#: Attacks of the training and development partitions.
TRAIN_ATTACKS = (
    SpoofingAttack(
        Attack("A01", _COPY, "F0, CheapTrick envelope, D4C aperiodicity", "WORLD vocoder", known=True), world_copy
    ),
    SpoofingAttack(Attack("A02", _COPY, "80-band mel spectrogram", "Griffin-Lim", known=True), mel_griffin_lim),
    SpoofingAttack(
        Attack("A06", _CONVERSION, "warped cepstral envelope", "spectral filtering + overlap-add", known=True),
        spectral_filtering,
    ),
)

#: Attacks of the evaluation partition; only A19 is an algorithm of the training partition (A06's).
EVAL_ATTACKS = (
    SpoofingAttack(Attack("A07", _COPY, "linear prediction, F0", "LPC vocoder", known=False), lpc_vocoder),
    SpoofingAttack(Attack("A08", _COPY, "20 MFCCs, F0", "MFCC vocoder", known=False), mfcc_vocoder),
    SpoofingAttack(Attack("A09", _COPY, "harmonic amplitudes, F0", "sinusoidal model", known=False), sinusoidal),
    SpoofingAttack(
        Attack("A19", _CONVERSION, "warped cepstral envelope", "spectral filtering + overlap-add", known=True),
        spectral_filtering,
    ),
)


def attacks_of(partition: Partition) -> tuple[SpoofingAttack, ...]:
    """The attacks that a partition holds."""
    return EVAL_ATTACKS if partition is Partition.EVAL else TRAIN_ATTACKS
