from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.signal import butter, sosfiltfilt

from moe_mamba_asv.audio.augment.codec import Codec
from moe_mamba_asv.audio.augment.codec_setting import CodecChain, CodecSetting
from moe_mamba_asv.errors import AudioError

RATE_HZ = 16_000
SETTINGS = [
    CodecSetting(codec="alaw"),
    CodecSetting(codec="mulaw"),
    CodecSetting(codec="gsm"),
    CodecSetting(codec="g723.1"),
    CodecSetting(codec="g722"),
    CodecSetting(codec="amr-nb", bit_rate_kbps=4.75),
    CodecSetting(codec="amr-nb", bit_rate_kbps=12.2),
    CodecSetting(codec="opus", bit_rate_kbps=12),
    CodecSetting(codec="opus", bit_rate_kbps=32),
    CodecSetting(codec="mp3", quality=0),
    CodecSetting(codec="mp3", quality=7),
    CodecSetting(codec="mp3", bit_rate_kbps=64),
    CodecSetting(codec="aac", bit_rate_kbps=26),
    CodecSetting(codec="aac", bit_rate_kbps=96),
    CodecSetting(codec="vorbis", quality=1),
    CodecSetting(codec="vorbis", quality=8),
]
each_setting = pytest.mark.parametrize(
    "setting", SETTINGS, ids=lambda it: f"{it.codec}-{it.bit_rate_kbps or it.quality or ''}"
)


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    """A recording of a person, about two seconds, peak 0.5."""
    with as_file(files("moe_mamba_asv") / "corpora/minispoof/speech/june_001.flac") as path:
        samples = soundfile.read(path, dtype="float32", frames=2 * RATE_HZ)[0]
    return 0.5 * samples / np.abs(samples).max()


def _delay(before: NDArray[np.float32], after: NDArray[np.float32]) -> int:
    """Samples by which the second is late, in the band that all codecs keep and no high-pass filter turns."""
    band = butter(4, [400, 3_000], "bandpass", fs=RATE_HZ, output="sos")
    size = 2 * len(before)
    first, second = (np.fft.rfft(sosfiltfilt(band, sound), size) for sound in (before, after))
    lag = int(np.argmax(np.fft.irfft(second * np.conj(first), size)))
    return lag - size if lag > size // 2 else lag


@each_setting
def test_speech_comes_back_in_time_and_changed_but_still_itself(setting, speech):
    coded = setting.round_trip(speech)
    assert coded.shape == speech.shape
    assert coded.dtype == np.float32
    assert abs(_delay(speech, coded)) <= RATE_HZ / 1_000
    assert not np.array_equal(coded, speech)
    assert np.corrcoef(speech, coded)[0, 1] > 0.6


@each_setting
def test_clicks_come_back_in_time(setting):
    random = np.random.default_rng(5)
    clicks = np.zeros(2 * RATE_HZ, np.float32)
    clicks[np.cumsum(random.integers(400, 1_600, 24))] = 0.8
    coded = setting.round_trip(clicks)
    assert abs(_delay(clicks, coded)) <= RATE_HZ / 1_000


@each_setting
@pytest.mark.parametrize("num_samples", [1, 2, 3, 159, 321, 1_023, 1_153, 4_801])
def test_a_clip_of_any_length_keeps_it(setting, num_samples, speech):
    assert setting.round_trip(speech[8_000 : 8_000 + num_samples]).shape == (num_samples,)


@each_setting
def test_silence_stays_silence(setting):
    # A-law has no level at zero: its nearest is 8 of 32,768.
    assert np.abs(setting.round_trip(np.zeros(8_000, np.float32))).max() < 1e-3


@each_setting
def test_full_scale_is_clipped_and_never_wraps_around(setting):
    tone = 1.2 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ)
    coded = setting.round_trip(tone)
    assert np.abs(coded).max() <= 1
    # A sample that wrapped around would jump by almost 2.
    assert np.abs(np.diff(coded)).max() < 1.2
    assert np.corrcoef(tone[4_000:], coded[4_000:])[0, 1] > 0.8


def test_threads_at_once_hear_what_one_after_the_other_hears(speech):
    alone = [setting.round_trip(speech) for setting in SETTINGS]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda setting: setting.round_trip(speech), SETTINGS))
    for setting, first, second in zip(SETTINGS, alone, together, strict=True):
        np.testing.assert_array_equal(first, second, err_msg=str(setting))


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (CodecSetting(codec="amr-nb", bit_rate_kbps=4.75), CodecSetting(codec="amr-nb", bit_rate_kbps=12.2)),
        (CodecSetting(codec="opus", bit_rate_kbps=12), CodecSetting(codec="opus", bit_rate_kbps=64)),
        (CodecSetting(codec="mp3", quality=7), CodecSetting(codec="mp3", quality=0)),
        (CodecSetting(codec="mp3", bit_rate_kbps=16), CodecSetting(codec="mp3", bit_rate_kbps=64)),
        (CodecSetting(codec="aac", bit_rate_kbps=26), CodecSetting(codec="aac", bit_rate_kbps=96)),
        (CodecSetting(codec="vorbis", quality=1), CodecSetting(codec="vorbis", quality=8)),
    ],
    ids=lambda it: f"{it.codec}-{it.bit_rate_kbps or it.quality}",
)
def test_more_bits_lose_less(worse, better, speech):
    lost = [_log_spectral_distance(speech, setting.round_trip(speech)) for setting in (worse, better)]
    assert lost[1] < lost[0]


def _log_spectral_distance(before: NDArray[np.float32], after: NDArray[np.float32]) -> float:
    """RMS difference in dB of spectra of 32 ms up to 3 kHz, where the speech is loud; phase does not count."""
    count = len(before) // 512
    first, second = (
        np.abs(np.fft.rfft(sound[: count * 512].reshape(count, 512)))[:, 10:96] for sound in (before, after)
    )
    is_loud = first > 0.03 * first.max()
    return float(np.sqrt(np.mean((20 * np.log10(first[is_loud] / (second[is_loud] + 1e-6))) ** 2)))


def test_a_chain_is_its_stages_in_order(speech):
    mp3, aac = CodecSetting(codec="mp3", quality=7), CodecSetting(codec="aac", bit_rate_kbps=26)
    chained = CodecChain(stages=(mp3, aac)).round_trip(speech)
    np.testing.assert_array_equal(chained, aac.round_trip(mp3.round_trip(speech)))
    assert not np.array_equal(chained, mp3.round_trip(aac.round_trip(speech)))


def test_the_generator_alone_draws_the_codec(speech):
    settings = (CodecSetting(codec="alaw"), CodecSetting(codec="mulaw"), CodecSetting(codec="g722"))
    codec, known = Codec(settings=settings), [setting.round_trip(speech) for setting in settings]

    def drawn(seed: int) -> list[int]:
        rng = np.random.default_rng(seed)
        heard = [codec(speech, rng) for _ in range(12)]
        return [next(i for i, it in enumerate(known) if np.array_equal(it, sound)) for sound in heard]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert set(drawn(1)) == {0, 1, 2}


def test_the_input_is_not_written_to(speech):
    before = speech.copy()
    for setting in SETTINGS:
        setting.round_trip(speech)
    np.testing.assert_array_equal(speech, before)


def test_settings_are_read_from_plain_values():
    codec = Codec.model_validate(
        {"settings": [{"codec": "alaw"}, {"stages": [{"codec": "mp3", "quality": 7}, {"codec": "g722"}]}]}
    )
    assert codec.settings == (
        CodecSetting(codec="alaw"),
        CodecChain(stages=(CodecSetting(codec="mp3", quality=7), CodecSetting(codec="g722"))),
    )


@pytest.mark.parametrize(
    "values",
    [
        {"codec": "alaw", "bit_rate_kbps": 32},
        {"codec": "amr-nb", "bit_rate_kbps": 12},
        {"codec": "amr-nb"},
        {"codec": "opus", "bit_rate_kbps": 5},
        {"codec": "opus", "bit_rate_kbps": 16, "quality": 5},
        {"codec": "aac", "bit_rate_kbps": 128},
        {"codec": "mp3"},
        {"codec": "mp3", "bit_rate_kbps": 64, "quality": 2},
        {"codec": "mp3", "bit_rate_kbps": 320},
        {"codec": "mp3", "quality": 10},
        {"codec": "vorbis", "bit_rate_kbps": 64},
        {"codec": "vorbis", "quality": 11},
    ],
    ids=str,
)
def test_what_an_encoder_would_ignore_or_round_is_refused(values):
    with pytest.raises(ValidationError, match=values["codec"]):
        CodecSetting.model_validate(values)


@pytest.mark.parametrize("waveform", [np.zeros(0, np.float32), np.array([0, np.nan], np.float32)], ids=["empty", "nan"])
def test_a_waveform_without_sound_values_is_refused(waveform):
    with pytest.raises(AudioError, match="finite"):
        CodecSetting(codec="g722").round_trip(waveform)
