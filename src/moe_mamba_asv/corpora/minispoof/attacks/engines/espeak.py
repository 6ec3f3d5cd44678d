"""A03: eSpeak NG, formant synthesis by rule."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import speak_with_program

ENGINE = Engine("eSpeak NG", "GPL-3.0-or-later", "apt-get install espeak-ng", programs=("espeak-ng",))

_ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-029")
_TIMBRES = ("m1", "m2", "m3", "m4", "m7", "f1", "f2", "f3", "f4")
_RATES_WPM = (140, 190)
_PITCHES = (35, 65)


def espeak(text: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Phonemes by rule > formant frequencies and amplitudes > a source through formant filters.

    Args:
        text: what to say, in English.
        rng: draws accent, timbre, 140 to 190 words a minute and the pitch.

    Returns:
        Shape (samples,), 16 kHz.

    Raises:
        AudioError: the program failed or said nothing.

    Source: eSpeak NG (Dunn and others, from 1995); the principle is that of Klatt (1980), Software for a
    cascade/parallel formant synthesizer.
    """
    voice = f"{rng.choice(_ACCENTS)}+{rng.choice(_TIMBRES)}"
    rate, pitch = rng.integers(*_RATES_WPM, endpoint=True), rng.integers(*_PITCHES, endpoint=True)
    command = ["espeak-ng", "-v", voice, "-s", str(rate), "-p", str(pitch), "-f", "{text}", "-w", "{wave}"]
    return speak_with_program(ENGINE, command, text)
