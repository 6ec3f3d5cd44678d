"""The attacks of minispoof, numbered as in ASVspoof 2019: A01 to A06 for training, A07 to A19 for evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.attacks.concatenation import concatenation
from moe_mamba_asv.corpora.minispoof.attacks.engines import (
    codec2,
    espeak,
    festival,
    flite,
    hibari,
    hifigan,
    kokoro,
    piper,
    speex,
)
from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.sentences import text_for
from moe_mamba_asv.corpora.minispoof.attacks.griffin_lim import griffin_lim
from moe_mamba_asv.corpora.minispoof.attacks.lpc_vocoder import lpc_vocoder
from moe_mamba_asv.corpora.minispoof.attacks.mfcc_vocoder import mfcc_vocoder
from moe_mamba_asv.corpora.minispoof.attacks.mlsa import mlsa
from moe_mamba_asv.corpora.minispoof.attacks.recording import Recording
from moe_mamba_asv.corpora.minispoof.attacks.sinusoidal import sinusoidal
from moe_mamba_asv.corpora.minispoof.attacks.spectral_filtering import spectral_filtering
from moe_mamba_asv.corpora.minispoof.attacks.world import world_conversion, world_copy
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.types import Attack, Partition

Waveform = NDArray[np.float64]
Synthesize = Callable[[Recording, np.random.Generator], Waveform]
#: ``waveform``: in time with the recording; ``voices``: so too, and other speech of the speaker is used;
#: ``text``: speech with a timing of its own.
Material = Literal["waveform", "voices", "text"]


@dataclass(frozen=True)
class SpoofingAttack:
    """One attack: what it is, and the function that makes a spoof of a recording.

    Attributes:
        facts: its entry in the corpus's catalogue.
        material: what of a recording it is made of.
        synthesize: recording and generator > spoof at 16 kHz.
        engines: programs and packages that must be installed.
    """

    facts: Attack
    material: Material
    synthesize: Synthesize
    engines: tuple[Engine, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether all its engines are there."""
        return not any(engine.missing() for engine in self.engines)


def _copy(vocoder: Callable[[Waveform, np.random.Generator], Waveform]) -> Synthesize:
    return lambda recording, rng: vocoder(recording.waveform, rng)


def _speech(*speak: Callable[[str, np.random.Generator], Waveform]) -> Synthesize:
    """The recording's text, or sentences of its length, spoken by one of several engines of English."""

    def synthesize(recording: Recording, rng: np.random.Generator) -> Waveform:
        text = recording.text or text_for(len(recording.waveform) / SAMPLE_RATE_HZ, rng)
        return speak[rng.integers(len(speak))](text, rng)

    return synthesize


def _attack(
    attack_id: str,
    kind: str,
    system: str,
    waveform: str,
    material: Material,
    synthesize: Synthesize,
    engines: Sequence[Engine] = (),
) -> SpoofingAttack:
    known = attack_id in {"A01", "A02", "A03", "A04", "A05", "A06", "A16", "A19"}
    return SpoofingAttack(Attack(attack_id, kind, system, waveform, known), material, synthesize, tuple(engines))


_CONCATENATION = ("TTS", "unit selection", "waveform concatenation", "voices", concatenation)
_FILTERING = (
    "VC",
    "warped cepstral envelope",
    "spectral filtering + overlap-add",
    "waveform",
    _copy(spectral_filtering),
)

#: Attacks of the training and development partitions.
TRAIN_ATTACKS = (
    _attack("A01", "copy-synthesis", "F0, envelope, aperiodicity", "WORLD", "waveform", _copy(world_copy)),
    _attack("A02", "copy-synthesis", "mel or linear spectrogram", "Griffin-Lim", "waveform", _copy(griffin_lim)),
    _attack(
        "A03",
        "TTS",
        "eSpeak NG or Flite",
        "formants, or units of a recorded voice",
        "text",
        _speech(espeak.espeak, flite.flite),
        [espeak.ENGINE, flite.ENGINE],
    ),
    _attack("A04", *_CONCATENATION),
    _attack("A05", "VC", "F0 moved, envelope warped", "WORLD", "waveform", _copy(world_conversion)),
    _attack("A06", *_FILTERING),
)

#: Attacks of the evaluation partition; A16 and A19 are the algorithms of A04 and A06.
EVAL_ATTACKS = (
    _attack("A07", "copy-synthesis", "linear prediction, F0", "LPC vocoder", "waveform", _copy(lpc_vocoder)),
    _attack("A08", "copy-synthesis", "20 MFCCs, F0", "MFCC vocoder", "waveform", _copy(mfcc_vocoder)),
    _attack("A09", "copy-synthesis", "harmonic amplitudes, F0", "sinusoidal model", "waveform", _copy(sinusoidal)),
    _attack("A10", "TTS", "VITS (Piper)", "neural, HiFi-GAN decoder", "text", _speech(piper.piper), [piper.ENGINE]),
    _attack(
        "A11", "TTS", "Festival", "diphones, or HMM and MLSA", "text", _speech(festival.festival), [festival.ENGINE]
    ),
    _attack(
        "A12", "TTS", "StyleTTS 2 (Kokoro)", "neural, iSTFTNet decoder", "text", _speech(kokoro.kokoro), [kokoro.ENGINE]
    ),
    _attack("A13", "TTS", "distilled Kokoro (Hibari)", "neural", "text", _speech(hibari.hibari), [hibari.ENGINE]),
    _attack("A14", "copy-synthesis", "mel-cepstrum, F0", "MLSA filter", "waveform", _copy(mlsa)),
    _attack(
        "A15",
        "copy-synthesis",
        "80-band mel spectrogram",
        "neural, HiFi-GAN",
        "waveform",
        _copy(hifigan.hifigan),
        [hifigan.ENGINE],
    ),
    _attack("A16", *_CONCATENATION),
    _attack(
        "A17",
        "copy-synthesis",
        "Codec 2 at 700 to 3,200 bit/s",
        "sinusoidal",
        "waveform",
        _copy(codec2.codec2),
        [codec2.ENGINE],
    ),
    _attack(
        "A18", "copy-synthesis", "Speex at 2,150 bit/s and up", "CELP", "waveform", _copy(speex.speex), [speex.ENGINE]
    ),
    _attack("A19", *_FILTERING),
)

ATTACKS = TRAIN_ATTACKS + EVAL_ATTACKS


def attacks_of(partition: Partition) -> tuple[SpoofingAttack, ...]:
    """The attacks that a partition may hold."""
    return EVAL_ATTACKS if partition is Partition.EVAL else TRAIN_ATTACKS


def choose_attacks(ids: Sequence[str] | None) -> frozenset[str]:
    """Ids of the attacks to build: those asked for, or all whose engines are installed.

    Raises:
        ConfigError: no such attack; one that is asked for lacks an engine; a partition would have none.
    """
    if ids is None:
        return frozenset(attack.facts.id for attack in ATTACKS if attack.installed)
    by_id = {attack.facts.id: attack for attack in ATTACKS}
    for name in ids:
        if name not in by_id:
            raise ConfigError(f"attack {name!r}", wanted=", ".join(by_id), remedy="mma corpus attacks lists them")
        for engine in by_id[name].engines:
            if missing := engine.missing():
                raise ConfigError(
                    f"attack {name} needs {engine.name}: {', '.join(missing)} is not installed", remedy=engine.install
                )
    for partition in Partition:
        if not any(attack.facts.id in ids for attack in attacks_of(partition)):
            names = ", ".join(attack.facts.id for attack in attacks_of(partition))
            raise ConfigError(f"no attack for the partition {partition}", wanted=f"at least one of {names}")
    return frozenset(ids)
