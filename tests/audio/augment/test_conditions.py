from importlib.resources import as_file, files

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from moe_mamba_asv.audio.augment.conditions import condition, condition_names, network
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.errors import ConfigError

RATE_HZ = 16_000
LA = ("none", "alaw", "pstn", "g722", "ulaw", "gsm", "opus")
DF = ("nocodec", "low_mp3", "high_mp3", "low_m4a", "high_m4a", "low_ogg", "high_ogg", "mp3m4a", "oggm4a")
ALL = [("la", word) for word in LA] + [("df", word) for word in DF]


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """A recording of a person, about two seconds, peak 0.5."""
    with as_file(files("moe_mamba_asv") / "corpora/minispoof/speech/allison_001.flac") as path:
        samples = soundfile.read(path, dtype="float32", frames=2 * RATE_HZ)[0]
    return 0.5 * samples / np.abs(samples).max()


def _through(transforms: tuple[Transform, ...], sound: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    for transform in transforms:
        sound = transform(sound, rng)
    return sound


def _delay(before: NDArray[np.float32], after: NDArray[np.float32]) -> int:
    """Samples by which the second is late, in the band that all channels keep."""
    band = butter(4, [400, 3_000], "bandpass", fs=RATE_HZ, output="sos")
    size = 2 * len(before)
    first, second = (np.fft.rfft(sosfiltfilt(band, sound), size) for sound in (before, after))
    lag = int(np.argmax(np.fft.irfft(second * np.conj(first), size)))
    return lag - size if lag > size // 2 else lag


def _share_above(sound: NDArray[np.float32], edge_hz: float) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(power[round(edge_hz * len(sound) / RATE_HZ) :].sum() / power.sum())


def test_conditions_stand_in_the_order_of_their_codes():
    assert condition_names("la") == LA
    assert condition_names("df") == DF
    assert condition("la", "C3") == condition("la", "pstn")
    assert condition("df", "C8") == condition("df", "mp3m4a")


@pytest.mark.parametrize(("track", "word"), ALL)
def test_a_condition_changes_a_clip_unless_it_is_the_first_and_keeps_length_and_timing(track, word, speech):
    heard = _through(condition(track, word), speech)
    assert heard.shape == speech.shape
    assert abs(_delay(speech, heard)) <= RATE_HZ / 1_000
    assert np.array_equal(heard, speech) == (word in ("none", "nocodec"))


def test_no_two_conditions_sound_the_same(speech):
    heard = {(track, word): _through(condition(track, word), speech).tobytes() for track, word in ALL}
    assert len(set(heard.values())) == len(ALL) - 1  # the two that change nothing


@pytest.mark.parametrize("word", LA)
def test_telephone_codecs_end_at_4_khz_and_wide_band_ones_do_not(word, speech):
    share = _share_above(_through(condition("la", word), speech), 4_200) / _share_above(speech, 4_200)
    assert share < 0.01 if word in ("alaw", "pstn", "ulaw", "gsm") else share > 0.3


@pytest.mark.parametrize("name", ["phone", "chat"])
def test_a_network_differs_from_clip_to_clip_and_keeps_length_and_timing(name, speech):
    heard = [_through(network(name), speech, seed) for seed in range(12)]
    assert len({sound.tobytes() for sound in heard}) > 4
    for sound in heard:
        assert sound.shape == speech.shape
        assert abs(_delay(speech, sound)) <= RATE_HZ / 1_000
        assert not np.array_equal(sound, speech)


@pytest.mark.parametrize("num_samples", [1, 7, 500])
def test_short_clips_keep_their_length(num_samples, speech):
    for transforms in (condition("la", "pstn"), network("phone"), network("chat")):
        assert _through(transforms, speech[:num_samples]).shape == (num_samples,)


@pytest.mark.parametrize("name", ["C8", "mp3m4a", "c1", ""])
def test_an_unknown_condition_names_those_that_there_are(name):
    with pytest.raises(ConfigError, match=r"C7.*pstn"):
        condition("la", name)


def test_a_track_without_codecs_is_refused():
    with pytest.raises(ConfigError, match="la or df"):
        condition("pa", "C1")


def test_an_unknown_network_is_refused():
    with pytest.raises(ConfigError, match="phone or chat"):
        network("radio")


def test_each_call_has_a_line_of_its_own_that_stops_what_no_line_passes():
    rng, time = np.random.default_rng(0), np.arange(RATE_HZ) / RATE_HZ
    line = condition("la", "pstn")[0]
    for tone_hz, passes in [(100, False), (1_000, True), (3_000, True), (3_700, False), (6_000, False)]:
        tone = np.sin(2 * np.pi * tone_hz * time).astype(np.float32)
        kept = np.abs(line(tone, rng))[2_000:-2_000].max()
        assert kept == pytest.approx(1, abs=0.02) if passes else kept < 0.02
    noise = rng.normal(0, 0.1, RATE_HZ).astype(np.float32)
    assert not np.array_equal(line(noise, rng), line(noise, rng))
