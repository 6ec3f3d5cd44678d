"""A13: Hibari, a small network distilled from Kokoro."""

import importlib
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import speech_at_16k

ENGINE = Engine("hibari-tts", "Apache-2.0", "pip install hibari-tts==0.2.1", modules=("hibari", "onnxruntime"))

#: Of its voices only this one is inside the package; the others would be downloaded.
_VOICE = "heart"
_SPEEDS = (0.85, 1.2)


def hibari(text: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Phonemes > a network's harmonic and noise envelopes, phases and F0 > harmonics plus noise.

    Args:
        text: what to say, in English.
        rng: draws speed and noise.

    Returns:
        Shape (samples,), 16 kHz, from 24 kHz.

    Raises:
        AudioError: nothing in the text could be said.

    Source: hibari-tts (Williams, 2026); its teacher is Kokoro-82M.
    """
    model = hibari_model()
    speech = model(text, speed=rng.uniform(*_SPEEDS), seed=int(rng.integers(2**31)))
    return speech_at_16k(ENGINE, speech, model.sample_rate, text)


@cache
def hibari_model() -> Any:
    """The package's own class: network and pronunciation, loaded once a process; on one thread."""
    return importlib.import_module("hibari").Hibari(voice=_VOICE, threads=1)
