"""What each transform of the channel promises."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.signal import welch

from moe_mamba_asv.audio.augment.band import BandLimit, limit_band
from moe_mamba_asv.audio.augment.level import Clipping, Gain, clip_share
from moe_mamba_asv.audio.augment.noise import DrawnNoise, Noise, add_noise
from moe_mamba_asv.audio.augment.recordings import Recordings
from moe_mamba_asv.audio.augment.silence import TrimSilence, trim_silence
from moe_mamba_asv.audio.augment.speed import Speed, change_speed
from moe_mamba_asv.audio.facts import speech_bounds
from moe_mamba_asv.errors import AudioError

RATE_HZ = 16_000
seeds = st.integers(0, 2**32 - 1)


def _sound(seed: int, num_samples: int = RATE_HZ) -> NDArray[np.float32]:
    """Noise at a level of its own, with silence of 1,600 samples before and 3,200 after it."""
    rng = np.random.default_rng(seed)
    inside = rng.normal(0, rng.uniform(0.01, 0.2), num_samples)
    return np.pad(inside, (1_600, 3_200)).astype(np.float32)


def _power(sound: NDArray[np.float32]) -> float:
    return float(np.mean(sound.astype(np.float64) ** 2))


def _spectrum_db(sound: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies and long-term power."""
    frequencies_hz, power = welch(sound.astype(np.float64), RATE_HZ, nperseg=2_048, window="blackmanharris")
    return frequencies_hz, 10 * np.log10(power)


def _lag(before: NDArray[np.float32], after: NDArray[np.float32]) -> int:
    """Samples by which the second is late."""
    size = 2 * max(len(before), len(after))
    lag = int(np.argmax(np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)), size)))
    return lag - size if lag > size // 2 else lag


@settings(max_examples=40, deadline=None)
@given(seed=seeds, snr_db=st.floats(-10, 40), source=st.sampled_from(["white", "pink", "speech-shaped"]))
def test_noise_lies_as_far_below_the_speech_as_was_drawn(seed, snr_db, source):
    sound = _sound(seed)
    noise = Noise(sources=(source,), snr_db=(snr_db, snr_db))(sound, np.random.default_rng(seed)) - sound
    start, end = speech_bounds(sound)
    assert 10 * np.log10(_power(sound[start:end]) / _power(noise)) == pytest.approx(snr_db, abs=0.05)


def test_signal_to_noise_ratios_fill_the_range():
    rng, noise = np.random.default_rng(0), Noise(snr_db=(3, 9))
    drawn = [noise.draw(100, rng).snr_db for _ in range(200)]
    assert 3 <= min(drawn) < 3.3
    assert 8.7 < max(drawn) <= 9


def test_pink_noise_falls_by_3_db_an_octave_and_white_noise_does_not():
    for source, fall_db in (("pink", 3.01), ("white", 0.0)):
        rng = np.random.default_rng(0)
        noise = DrawnNoise(source, -60, rng.standard_normal(20 * RATE_HZ))
        frequencies_hz, levels_db = _spectrum_db(add_noise(_sound(0, 20 * RATE_HZ - 4_800), noise))
        band = (frequencies_hz > 100) & (frequencies_hz < 6_000)
        slope = np.polyfit(np.log2(frequencies_hz[band]), levels_db[band], 1)[0]
        assert slope == pytest.approx(-fall_db, abs=0.15)


def test_speech_shaped_noise_has_the_spectrum_of_the_clip_and_not_its_course():
    sound = limit_band(_sound(1, 10 * RATE_HZ), 500, 2_000)
    rng = np.random.default_rng(0)
    noise = Noise(sources=("speech-shaped",), snr_db=(0, 0))(sound, rng) - sound
    (frequencies_hz, wanted_db), (_, noise_db) = _spectrum_db(sound), _spectrum_db(noise)
    inside = (frequencies_hz > 600) & (frequencies_hz < 1_900)
    assert np.abs(np.mean(noise_db[inside] - wanted_db[inside])) < 1
    assert np.max(noise_db[frequencies_hz > 2_200]) < np.mean(noise_db[inside]) - 30
    assert abs(np.corrcoef(sound, noise)[0, 1]) < 0.05
    assert _power(noise[:1_000]) > 0.3 * _power(noise)


def test_noise_of_a_folder_is_a_piece_of_a_recording_even_where_most_of_it_is_silent(tmp_path: Path):
    recording = np.zeros(4_000, np.float32)
    recording[2_100:2_150] = np.random.default_rng(0).uniform(0.1, 0.5, 50)
    (tmp_path / "deep").mkdir()
    soundfile.write(tmp_path / "deep/hum.wav", recording, RATE_HZ, subtype="FLOAT")
    (tmp_path / "readme.txt").write_text("no sound")
    noise = Noise(sources=("recorded",), recordings=Recordings(folder=tmp_path), snr_db=(0, 0))
    sound = np.random.default_rng(1).normal(0, 0.1, 500).astype(np.float32)
    for seed in range(20):
        added = noise(sound, np.random.default_rng(seed)) - sound
        assert _power(added) == pytest.approx(_power(sound), rel=0.01)
        pieces = np.lib.stride_tricks.sliding_window_view(recording, len(sound))
        likeness = pieces @ added / np.maximum(np.linalg.norm(pieces, axis=1), 1e-9) / np.linalg.norm(added)
        assert likeness.max() > 0.999


def test_every_recording_is_drawn(tmp_path: Path):
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.flac", np.full(100, 0.1 * (number + 1)), RATE_HZ)
    rng, recordings = np.random.default_rng(0), Recordings(folder=tmp_path)
    assert {round(float(recordings.draw(rng)[0]), 1) for _ in range(40)} == {0.1, 0.2, 0.3}


def test_a_folder_without_sounds_and_a_silent_recording_are_named(tmp_path: Path):
    with pytest.raises(AudioError, match="holds no sound files"):
        Recordings(folder=tmp_path).draw(np.random.default_rng(0))
    with pytest.raises(AudioError, match="holds no sound files"):
        Recordings(folder=tmp_path / "absent").draw(np.random.default_rng(0))
    soundfile.write(tmp_path / "still.wav", np.zeros(100), RATE_HZ)
    with pytest.raises(AudioError, match=r"still\.wav is silent"):
        Recordings(folder=tmp_path).draw(np.random.default_rng(0))


@pytest.mark.parametrize("options", [{"sources": ("recorded",)}, {"recordings": {"folder": "x"}}], ids=str)
def test_recordings_that_nobody_plays_or_that_are_missing_are_refused(options):
    with pytest.raises(ValidationError, match="wanted `recorded` with a folder"):
        Noise(**options)


@settings(deadline=None)
@given(seed=seeds, gain_db=st.floats(-60, 20))
def test_gain_changes_the_level_and_nothing_else(seed, gain_db):
    sound = _sound(seed, 500)
    heard = Gain(gain_db=(gain_db, gain_db))(sound, np.random.default_rng(seed))
    assert 10 * np.log10(_power(heard) / _power(sound)) == pytest.approx(gain_db, abs=1e-3)
    np.testing.assert_allclose(heard / np.linalg.norm(heard), sound / np.linalg.norm(sound), atol=1e-6)


@settings(deadline=None)
@given(seed=seeds, share=st.floats(0, 0.5))
def test_the_share_of_sounding_samples_that_was_drawn_is_clipped_to_one_level(seed, share):
    sound = _sound(seed, 2_000)
    heard = Clipping(share=(share, share))(sound, np.random.default_rng(seed))
    changed = heard != sound
    assert changed.sum() == pytest.approx(share * 2_000, abs=1.5)
    level = np.abs(heard).max()
    assert np.all(np.abs(heard[changed]) == level)
    assert np.all(np.sign(heard) == np.sign(sound))


def test_a_clip_with_little_sound_in_digital_silence_is_clipped_and_not_lost():
    sound = np.zeros(10_000, np.float32)
    sound[:100] = np.linspace(-0.5, 0.5, 100)
    assert np.abs(clip_share(sound, 0.5)).max() == pytest.approx(0.25, abs=0.01)


def _passed_db(band: BandLimit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies and gains of a band limit, from what it makes of a click."""
    click = np.zeros(4_096, np.float32)
    click[2_048] = 1
    heard = band(click, np.random.default_rng(0))
    return np.fft.rfftfreq(len(click), 1 / RATE_HZ), 20 * np.log10(np.abs(np.fft.rfft(heard)) + 1e-9)


@settings(deadline=None)
@given(low_hz=st.none() | st.floats(60, 1_000), high_hz=st.none() | st.floats(1_500, 7_800))
@example(low_hz=300, high_hz=3_400)
def test_a_band_passes_what_is_inside_and_lacks_30_db_60_hz_outside(low_hz, high_hz):
    assume(low_hz is not None or high_hz is not None)
    edges = {"low_edge_hz": low_hz and (low_hz, low_hz), "high_edge_hz": high_hz and (high_hz, high_hz)}
    frequencies_hz, passed_db = _passed_db(BandLimit.model_validate(edges))
    lower, upper = low_hz or -60, high_hz or 8_060
    inside = (frequencies_hz >= lower + 60) & (frequencies_hz <= upper - 60)
    outside = (frequencies_hz <= lower - 60) | (frequencies_hz >= upper + 60)
    assert np.abs(passed_db[inside]).max() < 0.2
    assert passed_db[outside].max(initial=-99) < -30
    for edge_hz in (low_hz, high_hz):
        at_edge = -6 if edge_hz is None else np.interp(edge_hz, frequencies_hz, passed_db)
        assert at_edge == pytest.approx(-6, abs=0.5)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, num_samples=st.integers(1, 4_000))
def test_a_band_limit_keeps_time_and_length(seed, num_samples):
    sound = np.random.default_rng(seed).normal(0, 0.1, num_samples + 400).astype(np.float32)
    heard = BandLimit()(sound, np.random.default_rng(seed))
    assert heard.shape == sound.shape
    assert _lag(sound, heard) == 0


def test_bands_without_an_edge_or_with_crossing_edges_are_refused():
    for edges in ((None, None), ((50, 3_000), (3_000, 4_000))):
        with pytest.raises(ValidationError, match="edge"):
            BandLimit(low_edge_hz=edges[0], high_edge_hz=edges[1])


@given(seed=seeds, before=st.floats(0, 1), after=st.floats(0, 1))
def test_each_edge_silence_keeps_its_share_and_the_speech_stays_whole(seed, before, after):
    sound = _sound(seed, 4_000)
    start, end = speech_bounds(sound)
    heard = trim_silence(sound, before, after)
    first = start - round(before * start)
    assert len(heard) == round(before * start) + (end - start) + round(after * (len(sound) - end))
    np.testing.assert_array_equal(heard, sound[first : first + len(heard)])


def test_both_edges_are_drawn_on_their_own():
    sound, rng = _sound(0, 4_000), np.random.default_rng(0)
    kept = [TrimSilence()(sound, rng) for _ in range(50)]
    before = np.array([np.flatnonzero(heard)[0] for heard in kept])
    after = np.array([len(heard) - 1 - np.flatnonzero(heard)[-1] for heard in kept])
    assert before.std() > 300
    assert after.std() > 600
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.5


@settings(deadline=None)
@given(factor=st.floats(0.8, 1.25), frequency_hz=st.floats(300, 2_000))
def test_speed_changes_length_and_pitch_by_its_factor(factor, frequency_hz):
    sound = np.sin(2 * np.pi * frequency_hz * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    heard = Speed(factor=(factor, factor))(sound, np.random.default_rng(0))
    assert len(heard) == pytest.approx(RATE_HZ / factor, abs=2)
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard)), 16 * RATE_HZ))
    assert np.argmax(spectrum) / 16 == pytest.approx(frequency_hz * factor, abs=0.5)


def test_no_change_of_speed_is_no_change():
    sound = _sound(0, 1_000)
    np.testing.assert_array_equal(change_speed(sound, 1.0), sound)


@pytest.mark.parametrize(
    ("transform", "field", "ends"),
    [(Gain, "gain_db", (3, -3)), (Noise, "snr_db", (0, float("nan"))), (Clipping, "share", (0.5, 1.5))],
)
def test_ranges_that_cannot_be_drawn_from_are_refused(transform, field, ends):
    with pytest.raises(ValidationError, match="wanted lower end, then upper end"):
        transform(**{field: ends})
