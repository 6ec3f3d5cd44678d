"""Speech and pauses by level: planted pauses are found, with noise, with gaps, and where level says nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_mamba_asv.audio.speech_activity import SpeechActivity, find_speech, frame_levels

RATE_HZ = 16_000


def talk(seconds: float, rng: np.random.Generator, level: float = 0.1) -> np.ndarray:
    """Noise in syllables: 0.2 s on, 0.05 s nearly off."""
    syllable = np.concatenate([np.ones(3_200), np.full(800, 0.02)])
    num_samples = round(seconds * RATE_HZ)
    return (level * np.resize(syllable, num_samples) * rng.standard_normal(num_samples)).astype(np.float32)


def activity_of(waveform: np.ndarray) -> SpeechActivity:
    return find_speech(*frame_levels([waveform.astype(np.float32)]))


def share(activity: SpeechActivity, start_s: float, end_s: float) -> float:
    starts, ends = np.array([start_s * RATE_HZ]).astype(int), np.array([end_s * RATE_HZ]).astype(int)
    return float(activity.shares(starts, ends)[0])


@pytest.mark.parametrize("snr_db", [60, 40, 20, 12])
def test_a_planted_pause_is_found(snr_db: float) -> None:
    rng = np.random.default_rng(0)
    sound = np.concatenate([talk(10, rng), np.zeros(10 * RATE_HZ, np.float32), talk(10, rng)])
    sound = sound + 0.1 * 10 ** (-snr_db / 20) * rng.standard_normal(len(sound))
    activity = activity_of(sound)
    assert activity.by_level
    assert share(activity, 0, 10) > 0.95
    assert share(activity, 10, 20) < 0.01
    assert share(activity, 20, 30) > 0.95


def test_the_floor_follows_the_noise() -> None:
    """After ten quiet minutes the line becomes noisy: its pauses are pauses still."""
    rng = np.random.default_rng(1)
    minute = np.concatenate([talk(30, rng), np.zeros(30 * RATE_HZ, np.float32)])
    sound = np.tile(minute, 6)
    noise = np.repeat([1e-3, 2e-2], len(sound) // 2)
    activity = activity_of(sound + noise * rng.standard_normal(len(sound)))
    for start_s in range(0, 360, 60):
        assert share(activity, start_s, start_s + 30) > 0.95, start_s
        assert share(activity, start_s + 30.5, start_s + 60) < 0.01, start_s


def test_one_minute_of_speech_in_an_hour_is_found() -> None:
    rng = np.random.default_rng(2)
    levels, num_samples = frame_levels(
        talk(60, rng) if number == 40 else (1e-3 * rng.standard_normal(60 * RATE_HZ)).astype(np.float32)
        for number in range(60)
    )
    activity = find_speech(levels, num_samples)
    assert share(activity, 2_400, 2_460) > 0.95
    assert share(activity, 0, 2_400) < 0.001


def test_digital_silence_is_never_speech_and_never_a_floor() -> None:
    rng = np.random.default_rng(3)
    assert not activity_of(np.zeros(RATE_HZ)).is_speech.any()
    noisy = np.concatenate([talk(10, rng), np.zeros(10 * RATE_HZ)]) + 3e-3 * rng.standard_normal(20 * RATE_HZ)
    gap = np.concatenate([noisy, np.zeros(20 * RATE_HZ)])
    activity = activity_of(gap)
    assert share(activity, 0, 10) > 0.95
    assert share(activity, 10.5, 40) < 0.01


def test_a_steady_sound_is_not_judged_by_level() -> None:
    steady = 0.1 * np.random.default_rng(4).standard_normal(10 * RATE_HZ)
    activity = activity_of(np.concatenate([steady, np.zeros(10 * RATE_HZ)]))
    assert not activity.by_level
    assert share(activity, 0, 10) == 1
    assert share(activity, 10, 20) == 0


def test_a_click_is_no_speech_and_a_short_pause_is() -> None:
    rng = np.random.default_rng(5)
    sound = np.concatenate([talk(3, rng), np.zeros(RATE_HZ * 2), talk(1, rng), np.zeros(4_000), talk(3, rng)])
    sound = sound + 1e-4 * rng.standard_normal(len(sound))
    sound[4 * RATE_HZ : 4 * RATE_HZ + 100] = 0.9
    activity = activity_of(sound)
    assert share(activity, 3.5, 4.9) == 0
    assert share(activity, 5.1, 9.0) == 1


@pytest.mark.parametrize("seconds", [0.0001, 0.01, 0.2, 0.213])
def test_short_sounds_have_an_answer(seconds: float) -> None:
    sound = talk(max(seconds, 1 / RATE_HZ), np.random.default_rng(6))
    levels, num_samples = frame_levels([sound])
    assert num_samples == len(sound)
    assert len(levels) == -(-len(sound) // 160)
    assert find_speech(levels, num_samples).is_speech.shape == levels.shape


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=20))
def test_levels_do_not_depend_on_the_blocks(sizes: list[int]) -> None:
    sound = np.random.default_rng(7).standard_normal(sum(sizes)).astype(np.float32)
    levels, num_samples = frame_levels(np.split(sound, np.cumsum(sizes)[:-1]))
    whole, _ = frame_levels([sound])
    assert num_samples == len(sound)
    np.testing.assert_array_equal(levels, whole)


def test_levels_are_decibels_of_full_scale() -> None:
    levels, _ = frame_levels([np.concatenate([np.full(160, 0.1), np.zeros(160), np.ones(80)]).astype(np.float32)])
    np.testing.assert_allclose(levels, [-20, -120, 0], atol=1e-4)


@given(st.lists(st.booleans(), min_size=1, max_size=50), st.integers(1, 160), st.data())
def test_shares_count_samples(flags: list[bool], last: int, data: st.DataObject) -> None:
    num_samples = 160 * (len(flags) - 1) + last
    start = data.draw(st.integers(0, num_samples - 1))
    end = data.draw(st.integers(start + 1, num_samples))
    activity = SpeechActivity(np.array(flags), num_samples, by_level=True)
    counted = np.repeat(flags, 160)[:num_samples][start:end].mean()
    assert activity.shares(np.array([start]), np.array([end]))[0] == pytest.approx(counted, abs=1e-9)
