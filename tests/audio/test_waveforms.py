"""Resampling, the fixed length, loading and measuring."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from moe_mamba_asv.audio.crop import NUM_SAMPLES, fit_length
from moe_mamba_asv.audio.facts import measure, speech_bounds
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ, resample
from moe_mamba_asv.errors import AudioError


@given(num_in=st.integers(1, 300), num_out=st.integers(1, 300), start=st.integers(0, 400))
def test_fit_length_is_always_a_run_of_the_repeated_input(num_in: int, num_out: int, start: int) -> None:
    waveform = np.arange(num_in, dtype=np.float32)
    fitted = fit_length(waveform, num_out, start=start)
    assert fitted.shape == (num_out,)
    assert fitted.dtype == np.float32
    first = min(start, num_in - num_out) if num_in > num_out else 0
    np.testing.assert_array_equal(fitted, (first + np.arange(num_out)) % num_in)


def test_exactly_the_wanted_length_stays_and_is_a_copy() -> None:
    waveform = np.arange(NUM_SAMPLES, dtype=np.float32)
    fitted = fit_length(waveform)
    np.testing.assert_array_equal(fitted, waveform)
    fitted[0] = -1
    assert waveform[0] == 0


@pytest.mark.parametrize(("samples", "options"), [(0, {}), (5, {"num_samples": 0}), (5, {"start": -1})])
def test_fit_length_refuses_the_impossible(samples: int, options: dict[str, int]) -> None:
    with pytest.raises(AudioError):
        fit_length(np.zeros(samples, np.float32), **options)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 192_000])
def test_resampling_keeps_duration_pitch_and_level(rate_hz: int) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(rate_hz) / rate_hz)
    resampled = resample(wave.astype(np.float32), rate_hz)
    assert len(resampled) == SAMPLE_RATE_HZ
    wanted = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
    # The middle: at the edges the filter rings. -60 dB is far above HQ's ripple.
    np.testing.assert_allclose(resampled[500:-500], wanted[500:-500], atol=5e-4)


def test_what_16_khz_cannot_hold_is_removed_not_folded() -> None:
    wave = 0.5 * np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000)
    assert np.abs(resample(wave.astype(np.float32), 48_000)[500:-500]).max() < 1e-3


def test_a_single_sample_at_192_khz_stays_a_sound() -> None:
    assert len(resample(np.ones(1, np.float32), 192_000)) == 1


def test_resample_refuses_empty_and_impossible_rates() -> None:
    with pytest.raises(AudioError, match="empty"):
        resample(np.zeros(0, np.float32), 8_000)
    with pytest.raises(AudioError, match="rates"):
        resample(np.zeros(5, np.float32), 0)


def test_load_16k_reads_any_rate_and_silence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros((44_100, 2)), 44_100)
    waveform = load_16k(tmp_path / "silent.wav")
    assert waveform.shape == (16_000,)
    assert waveform.dtype == np.float32
    assert not waveform.any()


def test_load_16k_says_when_resampling_overflows(tmp_path: Path) -> None:
    huge = np.where(np.arange(8_000) % 3 == 0, 3.4e38, -3.4e38).astype(np.float32)
    soundfile.write(tmp_path / "huge.wav", huge, 48_000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"huge\.wav overflows"):
        load_16k(tmp_path / "huge.wav")


def test_facts_of_a_sound_whose_facts_are_known() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)
    facts = measure(np.concatenate([np.zeros(4_000), tone, np.zeros(8_000)]))
    assert facts.duration_s == 1.75
    assert facts.level_dbfs == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert facts.peak == pytest.approx(0.5, abs=1e-3)
    assert facts.leading_silence_s == pytest.approx(0.25, abs=0.01)
    assert facts.trailing_silence_s == pytest.approx(0.5, abs=0.01)


def test_bandwidth_is_where_the_spectrum_ends() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 4_000).astype(np.float32)
    waveform = resample(noise, 8_000)  # nothing above 4 kHz
    assert measure(waveform).bandwidth_hz == pytest.approx(4_000, abs=200)
    assert measure(np.random.default_rng(0).normal(0, 0.1, 8_000)).bandwidth_hz == 8_000


def test_silence_and_a_lone_sample_can_be_measured() -> None:
    assert speech_bounds(np.zeros(1_000)) == (0, 1_000)
    assert measure(np.zeros(1_000)).level_dbfs == pytest.approx(-120)
    assert measure(np.ones(1)).duration_s == 1 / 16_000
    with pytest.raises(AudioError, match="empty"):
        measure(np.zeros(0))
