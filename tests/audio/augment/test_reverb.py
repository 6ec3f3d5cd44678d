"""Rooms, simulated and measured."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from moe_mamba_asv.audio.augment.recordings import Recordings
from moe_mamba_asv.audio.augment.reverb import Reverb, from_direct_sound, reverberate
from moe_mamba_asv.audio.augment.rooms import Rooms, simulate
from moe_mamba_asv.errors import AudioError

RATE_HZ = 16_000


def _decay_s(response: NDArray[np.floating]) -> float:
    """Reverberation time by Schroeder's backward integration, from 5 to 35 dB below the beginning."""
    left_db = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1] / np.sum(response**2))
    part = np.flatnonzero((left_db < -5) & (left_db > -35))
    return -60 / np.polyfit(part / RATE_HZ, left_db[part], 1)[0]


@pytest.mark.parametrize("rt60_s", [0.3, 0.6, 1.0])
def test_reverberation_decays_in_the_time_that_was_drawn(rt60_s):
    pytest.importorskip("pyroomacoustics")
    rng, rooms = np.random.default_rng(0), Rooms(rt60_s=(rt60_s, rt60_s))
    times = [_decay_s(simulate(rooms.draw(rng))) for _ in range(12)]
    np.testing.assert_allclose(times, rt60_s, rtol=0.2)


def test_late_reverberation_goes_on_at_the_level_at_which_the_paths_end():
    pytest.importorskip("pyroomacoustics")
    rng, steps_db = np.random.default_rng(1), []
    for _ in range(12):
        room = Rooms(rt60_s=(0.6, 0.6)).draw(rng)
        response = simulate(room)
        # What is late is the noise that was drawn, decaying: on a logarithmic scale its gain is a line.
        gain_db = 20 * np.log10(np.abs(response / room.late))
        line_db = gain_db[-1] + 60 * np.arange(len(response) - 1, -1, -1) / len(response)
        joint = int(np.flatnonzero(np.abs(gain_db - line_db) > 1e-6)[-1]) + 1
        assert 0.03 * RATE_HZ < joint < 0.3 * RATE_HZ
        before, after = response[joint - 320 : joint], response[joint : joint + 320]
        steps_db.append(10 * np.log10(np.mean(after**2) / np.mean(before**2)))
    assert np.mean(steps_db) == pytest.approx(-60 * 0.02 / 0.6, abs=0.5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_clip_in_a_simulated_room_keeps_time_length_and_level(seed):
    pytest.importorskip("pyroomacoustics")
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.1, 8_000).astype(np.float32)
    heard = Reverb()(sound, rng)
    assert heard.shape == sound.shape
    assert np.linalg.norm(heard) == pytest.approx(np.linalg.norm(sound), rel=1e-4)
    # The direct sound is the first: what is heard of a click begins with it.
    click = np.zeros(4_000, np.float32)
    click[1_000] = 1
    room = np.abs(Reverb()(click, rng))
    assert room[:1_000].max() < 1e-6 < room[1_000]
    assert room[1_000] >= 0.5 * room[1_000:1_005].max()


def test_the_direct_sound_stays_in_time_near_the_speaker_by_cross_correlation():
    pytest.importorskip("pyroomacoustics")
    near = Rooms(length_m=(2, 2), width_m=(2, 2), height_m=(2, 2), rt60_s=(0.15, 0.15))
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 16_000).astype(np.float32)
    for _ in range(8):
        heard = Reverb(source=near)(sound, rng)
        size = 2 * len(sound)
        assert np.argmax(np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size)), size)) <= 1


def test_a_corridor_whose_paths_are_incomplete_has_a_finite_response():
    pytest.importorskip("pyroomacoustics")
    rooms = Rooms(length_m=(50, 50), width_m=(1.5, 1.5), height_m=(1.5, 1.5), rt60_s=(1, 1))
    rng = np.random.default_rng(0)
    for _ in range(10):
        response = simulate(rooms.draw(rng))
        assert len(response) == 16_000
        assert np.isfinite(response).all()
        assert response.any()


def test_the_generator_alone_draws_a_room_and_the_library_is_left_as_it_was():
    acoustics = pytest.importorskip("pyroomacoustics")
    threads_before = acoustics.constants.get("num_threads")
    acoustics.constants.set("num_threads", 3)
    np.random.seed(5)  # noqa: NPY002 - the state that must not matter
    one = Reverb().draw(np.random.default_rng(3))
    np.random.seed(6)  # noqa: NPY002
    again, other = Reverb().draw(np.random.default_rng(3)), Reverb().draw(np.random.default_rng(4))
    np.testing.assert_array_equal(one, again)
    assert len(other) != len(one)
    threads_after = acoustics.constants.get("num_threads")
    acoustics.constants.set("num_threads", threads_before)
    assert threads_after == 3


def test_drawn_rooms_lie_in_their_ranges_and_nobody_stands_in_a_wall_or_in_the_microphone():
    rng = np.random.default_rng(0)
    rooms = Rooms(length_m=(1.5, 1.6), width_m=(1.5, 1.6), height_m=(1.5, 1.6), rt60_s=(0.1, 0.2))
    for _ in range(200):
        room = rooms.draw(rng)
        assert all(1.5 <= side <= 1.6 for side in room.size_m)
        assert 0.1 <= room.rt60_s <= 0.2
        for place in (room.source_m, room.microphone_m):
            assert np.all((place >= 0.3) & (place <= np.array(room.size_m) - 0.3))
        assert np.linalg.norm(room.source_m - room.microphone_m) >= 0.3


def test_rooms_that_no_wall_makes_so_dry_are_refused():
    with pytest.raises(ValidationError, match="the least in a room"):
        Rooms(length_m=(3, 40), width_m=(3, 40), height_m=(3, 20), rt60_s=(0.2, 0.8))


def test_without_pyroomacoustics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(AudioError, match=r"pip install 'moe-mamba-asv\[augment\]'"):
        Reverb()(np.ones(10, np.float32), np.random.default_rng(0))


def test_a_recorded_response_begins_with_its_direct_sound_though_a_reflection_is_louder(tmp_path: Path):
    response = np.zeros(3_000, np.float32)
    response[700:704] = 0.3, 0.5, 0.7, 0.6
    response[900] = -0.9
    soundfile.write(tmp_path / "hall.wav", response, RATE_HZ, subtype="FLOAT")
    sound = np.zeros(2_000, np.float32)
    sound[100] = 0.5
    heard = Reverb(source=Recordings(folder=tmp_path))(sound, np.random.default_rng(0))
    assert heard.shape == sound.shape
    assert np.abs(heard[:100]).max() < 1e-6
    assert heard[300 - 2] / heard[100] == pytest.approx(-0.9 / 0.7, rel=1e-4)
    assert np.linalg.norm(heard) == pytest.approx(0.5, rel=1e-4)


def test_a_response_of_one_sample_changes_nothing():
    sound = np.random.default_rng(0).normal(0, 0.1, 500).astype(np.float32)
    response = from_direct_sound(np.array([0, 0, 0.01]))
    np.testing.assert_allclose(reverberate(sound, response), sound, atol=1e-6)
