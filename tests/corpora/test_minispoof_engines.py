"""Attacks by engines that a user installs: speech comes out, in time, and the same for the same generator."""

import subprocess
import sys
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import pyworld

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.minispoof.attacks import mlsa
from moe_mamba_asv.corpora.minispoof.attacks.engines import (
    codec2,
    espeak,
    festival,
    flite,
    hibari,
    hifigan,
    kokoro,
    piper,
    program,
    speex,
)
from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.sentences import SENTENCES, text_for
from moe_mamba_asv.corpora.minispoof.finish import at_level
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.errors import AudioError

RATE_HZ = 16_000
TEXT = "A good answer often begins with a better question."
Synthesizer = Callable[..., np.ndarray]

SPEAKERS = {
    "espeak": (espeak.espeak, espeak.ENGINE),
    "flite": (flite.flite, flite.ENGINE),
    "festival": (festival.festival, festival.ENGINE),
    "piper": (piper.piper, piper.ENGINE),
    "kokoro": (kokoro.kokoro, kokoro.ENGINE),
    "hibari": (hibari.hibari, hibari.ENGINE),
}
CODERS = {
    "hifigan": (hifigan.hifigan, hifigan.ENGINE),
    "codec2": (codec2.codec2, codec2.ENGINE),
    "speex": (speex.speex, speex.ENGINE),
    "mlsa": (mlsa.mlsa, None),
}


def installed(name: str) -> Synthesizer:
    """The attack, or a skip that says what would install its engine."""
    synthesize, engine = (SPEAKERS | CODERS)[name]
    if engine and engine.missing():
        pytest.skip(f"{engine.name} is absent: {engine.install}")
    return synthesize


def recording(duration_s: float = 2.0) -> np.ndarray:
    clip = next(clip for clip in embedded_speech().clips if clip.utterance == "allison_001")
    return at_level(load_16k(clip.path))[: round(duration_s * RATE_HZ)]


def spoken(name: str, seed: int) -> np.ndarray:
    material = TEXT if name in SPEAKERS else recording()
    return installed(name)(material, np.random.default_rng(seed))


def voiced_share(waveform: np.ndarray) -> float:
    f0_hz, _ = pyworld.dio(waveform, RATE_HZ)
    return float(np.mean(f0_hz > 0))


def levels(waveform: np.ndarray) -> np.ndarray:
    """Log energy between 100 Hz and 3.5 kHz, which every codec keeps, for each millisecond."""
    spectrum = np.fft.rfft(waveform)
    frequency_hz = np.fft.rfftfreq(len(waveform), 1 / RATE_HZ)
    kept = np.fft.irfft(spectrum * ((frequency_hz > 100) & (frequency_hz < 3_500)), len(waveform))
    energy = (kept[: len(kept) // 16 * 16] ** 2).reshape(-1, 16).mean(axis=1)
    return np.log(np.sqrt(np.convolve(energy, np.hanning(11), mode="same")) + 1e-3)


def lag_ms(earlier: np.ndarray, later: np.ndarray, most: int = 60) -> int:
    one, other = levels(earlier), levels(later)
    inner = slice(most, len(one) - most)
    likeness = [np.corrcoef(one[inner], np.roll(other, -shift)[inner])[0, 1] for shift in range(-most, most + 1)]
    assert max(likeness) > 0.8
    return int(np.argmax(likeness)) - most


@pytest.mark.parametrize("name", SPEAKERS)
def test_text_becomes_speech_of_likely_length(name: str) -> None:
    speech = spoken(name, 1)
    assert speech.dtype == np.float64
    assert speech.ndim == 1
    # Nine words: nobody says them in a second, nobody needs eight.
    assert 1.2 * RATE_HZ < len(speech) < 8 * RATE_HZ
    assert 0.01 < np.std(speech) < 0.5
    assert voiced_share(speech) > 0.2


@pytest.mark.parametrize("name", SPEAKERS)
def test_more_text_lasts_longer(name: str) -> None:
    synthesize = installed(name)
    rngs = (np.random.default_rng(4) for _ in range(2))
    short, long = (synthesize(text, rng) for text, rng in zip((TEXT, f"{TEXT} {SENTENCES[0]}"), rngs, strict=True))
    assert len(long) > 1.5 * len(short)


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("seed", range(4))
def test_coded_speech_is_in_time_and_voiced(name: str, seed: int) -> None:
    coded = spoken(name, seed)
    assert abs(len(coded) - len(recording())) < 80
    assert voiced_share(coded) == pytest.approx(voiced_share(recording()), abs=0.2)
    assert abs(lag_ms(recording(), coded)) <= 5
    assert np.std(coded) == pytest.approx(np.std(recording()), rel=0.5)
    assert np.std(coded[: len(recording())] - recording()) > 0.1 * np.std(recording())


@pytest.mark.parametrize("bits_per_s", codec2.DELAY_SAMPLES)
def test_every_mode_of_codec2_is_in_time(bits_per_s: int) -> None:
    installed("codec2")

    waveform = recording(3.8)
    assert abs(lag_ms(waveform, codec2.codec2_at(bits_per_s, waveform))) <= 5


@pytest.mark.parametrize("name", [*SPEAKERS, *CODERS])
def test_same_generator_same_bits_here_and_in_another_process(name: str) -> None:
    first, second = spoken(name, 5), spoken(name, 5)
    np.testing.assert_array_equal(first, second)
    script = f"import zlib, test_minispoof_engines as tests; print(zlib.crc32(tests.spoken({name!r}, 5).tobytes()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=__file__.rpartition("/")[0]
    )
    assert int(done.stdout) == zlib.crc32(first.tobytes())


# The codecs draw one of few modes: two generators may well draw the same.
@pytest.mark.parametrize(
    ("name", "num_seeds"), [*((name, 2) for name in SPEAKERS), ("codec2", 4), ("speex", 4), ("mlsa", 2)]
)
def test_other_generators_other_speech(name: str, num_seeds: int) -> None:
    synthesized = {spoken(name, seed).tobytes() for seed in range(num_seeds)}
    assert len(synthesized) > 1


@pytest.mark.parametrize("name", ["flite", "festival"])
def test_typographic_text_is_read_as_plain(name: str) -> None:
    written = ("Don’t wait – it’s a “café”…", "Don't wait - it's a \"cafe\"...")
    typographic, plain = (installed(name)(text, np.random.default_rng(0)) for text in written)
    np.testing.assert_array_equal(typographic, plain)


@pytest.mark.parametrize("name", CODERS)
@pytest.mark.parametrize("sound", ["noise", "click", "silence"])
def test_speechless_sound_stays_finite(name: str, sound: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, RATE_HZ)
    waveform = {"noise": noise, "click": np.eye(1, RATE_HZ, 8_000)[0], "silence": np.zeros(RATE_HZ)}[sound]
    coded = installed(name)(waveform, np.random.default_rng(0))
    assert np.isfinite(coded).all()
    assert np.std(coded) < 2 * np.std(waveform) + 1e-3


@pytest.mark.parametrize("name", ["piper", "hibari", "kokoro", "festival"])
def test_unspeakable_text_is_an_error(name: str) -> None:
    with pytest.raises(AudioError, match=r"(wrote no sound|said nothing) for ''"):
        installed(name)("", np.random.default_rng(0))


def test_engine_names_what_is_absent_and_only_that() -> None:
    engine = Engine("x", "x", "x", ("numpy", "no_such_module"), ("sh", "no-such-program"), ("no-such/*/voice",))
    assert engine.missing() == ("no_such_module", "no-such-program", "no-such/*/voice")


def test_failing_program_says_why() -> None:
    engine = Engine("shell", "x", "install it", programs=("sh",))
    with pytest.raises(AudioError, match="status 3: no voice"):
        program.run_program(engine, ["sh", "-c", "echo no voice >&2; exit 3"])
    with pytest.raises(AudioError, match="install it"):
        program.run_program(engine, ["no-such-program"])
    with pytest.raises(AudioError, match="wrote no sound"):
        program.speak_with_program(engine, ["sh", "-c", "exit 0"], "words")


@pytest.mark.parametrize("duration_s", [0.5, 10.0, 900.0])
def test_text_lasts_as_long_as_asked(duration_s: float) -> None:
    text = text_for(duration_s, np.random.default_rng(2))
    num_words = len(text.split())
    assert 3.8 * duration_s <= num_words < 3.8 * duration_s + 15
    assert text == text_for(duration_s, np.random.default_rng(2))


def test_sentences_are_all_different_and_of_middle_length() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) >= 120
    assert {5 <= len(sentence.split()) <= 15 for sentence in SENTENCES} == {True}
    assert all(sentence[0].isupper() and sentence[-1] in ".?" for sentence in SENTENCES)
