"""Occlusion of stand-in detectors that listen to one stretch of time, one band, or both: the map must point there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.diagnostics.occlusion import num_passes, occlude
from moe_mamba_asv.errors import AudioError, ConfigError

RATE_HZ = 16_000
NUM_SAMPLES = 2 * RATE_HZ
WHOLE_S, WHOLE_HZ = (0.0, 2.0), (0.0, 8000.0)


class Listener:
    """Scores a clip by the level in dB of what lies in one stretch of time and one band.

    It cuts the stretch out with a Hann window and looks at its spectrum: nothing that `occlude` uses.
    """

    num_samples = NUM_SAMPLES

    def __init__(self, times_s: tuple[float, float] = WHOLE_S, band_hz: tuple[float, float] = WHOLE_HZ) -> None:
        self.stretch = slice(*(round(time * RATE_HZ) for time in times_s))
        self.band_hz, self.heard = band_hz, 0

    def crop(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        cropped = fit_length(waveform, self.num_samples)
        if not cropped.any():
            raise AudioError("digital silence")
        return cropped

    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        self.heard += len(crops)
        return np.array([self._level_db(crop) for crop in crops], dtype=np.float32)

    def _level_db(self, crop: NDArray[np.float32]) -> float:
        cut = crop[self.stretch].astype(np.float64)
        power = np.abs(np.fft.rfft(cut * np.hanning(len(cut)))) ** 2
        places_hz = np.fft.rfftfreq(len(cut), 1 / RATE_HZ)
        inside = (places_hz >= self.band_hz[0]) & (places_hz <= self.band_hz[1])
        return 10 * np.log10(power[inside].mean() + 1e-12)


def _noise(seconds: float = 2.0) -> NDArray[np.float32]:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def _occlude(listener: Listener, waveform: NDArray[np.float32], **options: Any) -> Any:
    return occlude(listener, waveform, **options)  # pyright: ignore[reportArgumentType]


def test_the_map_points_to_the_time_and_the_band_that_are_listened_to() -> None:
    # Window 5 of 8 lasts from 1.25 to 1.5 s, band 2 of 8 from 2 to 3 kHz.
    result = _occlude(Listener((1.27, 1.48), (2100, 2900)), _noise())
    changes = np.array(result.changes)
    assert changes.shape == (8, 8)
    assert (result.telling.start_s, result.telling.end_s) == (1.25, 1.5)
    assert (result.telling.low_hz, result.telling.high_hz) == (2000, 3000)
    assert result.telling.change == changes[5, 2] == pytest.approx(-60, abs=3)
    changes[5, 2] = 0
    assert np.abs(changes).max() < 0.5


def test_a_window_is_found_whatever_the_band() -> None:
    result = _occlude(Listener((0.52, 0.73)), _noise())
    assert np.argmin(result.time_changes) == 2
    assert result.time_changes[2] == pytest.approx(-60, abs=1)
    assert np.abs(np.delete(result.time_changes, 2)).max() < 0.1
    # Each of eight bands holds an eighth of the noise: without it, 10 log10(7/8) dB.
    assert np.array(result.changes)[2] == pytest.approx([-0.58] * 8, abs=0.15)
    assert result.band_changes == pytest.approx([-0.58] * 8, abs=0.15)


def test_a_band_is_found_whatever_the_time() -> None:
    result = _occlude(Listener(band_hz=(6200, 6800)), _noise())
    assert np.argmin(result.band_changes) == 6
    assert result.band_changes[6] == pytest.approx(-60, abs=3)
    assert np.abs(np.delete(result.band_changes, 6)).max() < 0.1


def test_evidence_against_bona_fide_has_the_other_sign() -> None:
    class Suspicious(Listener):
        def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
            return -super().score(crops)

    result = _occlude(Suspicious((1.27, 1.48), (2100, 2900)), _noise())
    assert result.telling.start_s == 1.25
    assert result.telling.change > 50


class Recorder(Listener):
    """Keeps every clip that it hears: the whole, without each window, without each band, without each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.clips: list[NDArray[np.float32]] = []

    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        self.clips += crops
        return super().score(crops)


def test_a_sound_at_the_end_does_not_reach_the_start() -> None:
    recorder, clip = Recorder(), np.zeros(NUM_SAMPLES, dtype=np.float32)
    clip[-160:] = _noise(0.01)
    _occlude(recorder, clip)
    without_bands = np.array(recorder.clips[1 + 8 : 1 + 8 + 8])
    assert np.abs(without_bands[:, -160:]).max() > 0.1
    # Half of the amplitude would be there, if the end flowed into the start.
    assert np.abs(without_bands[:, :800]).max() < 0.001


def test_the_ringing_of_a_removed_band_is_short() -> None:
    recorder, clip = Recorder(), np.zeros(NUM_SAMPLES, dtype=np.float32)
    clip[NUM_SAMPLES // 2] = 1.0
    _occlude(recorder, clip)
    change = np.abs(np.array(recorder.clips[1 + 8 : 1 + 8 + 8]) - clip)
    late = NUM_SAMPLES // 2 + round(0.02 * RATE_HZ)
    assert 20 * np.log10(change[:, late:].max() / change.max()) < -55


def test_nothing_clicks_and_nothing_else_changes() -> None:
    """A pure tone, one window of which is removed, stays out of all far bands and keeps its phase elsewhere."""
    recorder = Recorder()
    tone = (0.5 * np.cos(2 * np.pi * 500 * np.arange(NUM_SAMPLES) / RATE_HZ)).astype(np.float32)
    result = _occlude(recorder, tone)
    whole, without_third = recorder.clips[0], recorder.clips[3]
    assert whole is not tone
    np.testing.assert_array_equal(whole, tone)
    third = slice(round((result.times_s[2] + 0.006) * RATE_HZ), round((result.times_s[3] - 0.006) * RATE_HZ))
    assert np.abs(without_third[third]).max() == pytest.approx(0.5 / 1000, rel=0.01)
    before, after = slice(0, round(0.494 * RATE_HZ)), slice(round(0.756 * RATE_HZ), None)
    for part in (before, after):
        np.testing.assert_allclose(without_third[part], tone[part], atol=1e-7)
    # The tone is at its peak at every edge. A cut would leave -72 dB of it above 2 kHz; float32 ends near -130 dB.
    spectrum = np.abs(np.fft.rfft(without_third * np.hanning(NUM_SAMPLES)))
    assert 20 * np.log10(spectrum[4000:].max() / spectrum.max()) < -110
    without_second_band = recorder.clips[1 + 8 + 1]
    np.testing.assert_allclose(without_second_band[800:-800], tone[800:-800], atol=2e-3)


def test_progress_counts_every_pass_and_batches_stay_small() -> None:
    listener, told = Listener(), []
    _occlude(listener, _noise(), window_s=0.5, bands=3, batch_size=4, on_clips=told.append)
    assert sum(told) == listener.heard == num_passes(NUM_SAMPLES, window_s=0.5, bands=3) == (4 + 1) * (3 + 1)
    assert max(told) <= 4
    assert num_passes(64_600) == 153


def test_a_short_clip_says_where_it_is_repeated() -> None:
    assert _occlude(Listener(), _noise(0.7)).repeated_from_s == 0.7
    assert _occlude(Listener(), _noise(2.0)).repeated_from_s is None
    assert _occlude(Listener(), _noise(5.0)).times_s[-1] == 2.0


def test_what_cannot_be_occluded_is_refused() -> None:
    with pytest.raises(AudioError, match="silence"):
        _occlude(Listener(), np.zeros(NUM_SAMPLES, dtype=np.float32))
    with pytest.raises(ConfigError, match="bands"):
        _occlude(Listener(), _noise(), bands=100)
    with pytest.raises(ConfigError, match="windows"):
        _occlude(Listener(), _noise(), window_s=0.001)
