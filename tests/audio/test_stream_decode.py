"""Reading block by block: the samples of `load_16k`, whatever the format, the rate and the fault."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from made_recording import encode_aac
from moe_mamba_asv.audio import stream_decode
from moe_mamba_asv.audio.decode import soundfile_blocks
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.stream_decode import stream_16k
from moe_mamba_asv.errors import AudioError


def noise(seconds: float, rate_hz: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(rate_hz).uniform(-0.5, 0.5, (round(seconds * rate_hz), channels))


def joined(source: Path | bytes) -> np.ndarray:
    return np.concatenate(list(stream_16k(source)))


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("seconds", [0.001, 1.0, 20.0])
def test_the_samples_are_those_of_the_whole_file(tmp_path: Path, rate_hz: int, seconds: float) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, noise(seconds, rate_hz, channels=2), rate_hz)
    np.testing.assert_array_equal(joined(path), load_16k(path))


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.m4a", "a.mkv"])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_lossy_formats_by_either_decoder(tmp_path: Path, name: str, as_bytes: bool) -> None:
    path, samples = tmp_path / name, noise(12.0, 44_100)[:, 0]
    if path.suffix in {".m4a", ".mkv"}:
        encode_aac(path, samples, 44_100)
    else:
        soundfile.write(path, samples, 44_100)
    source = path.read_bytes() if as_bytes else path
    np.testing.assert_array_equal(joined(source), load_16k(source))


@pytest.mark.parametrize("num_samples", [1, 2, 5])
def test_a_few_samples_at_a_high_rate_are_one(tmp_path: Path, num_samples: int) -> None:
    soundfile.write(tmp_path / "short.wav", np.full(num_samples, 0.25), 192_000)
    np.testing.assert_array_equal(joined(tmp_path / "short.wav"), load_16k(tmp_path / "short.wav"))


def test_no_block_is_long_or_empty(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", noise(120, 16_000), 16_000)
    sizes = [len(block) for block in stream_16k(tmp_path / "long.wav")]
    assert min(sizes) > 0
    assert max(sizes) <= 1 << 18
    assert sum(sizes) == 120 * 16_000


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_pyav_goes_on_where_soundfile_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: int) -> None:
    path = tmp_path / "noise.flac"
    soundfile.write(path, noise(20.0, rate_hz), rate_hz)
    whole = load_16k(path)

    def stops(source, name):
        blocks = soundfile_blocks(source, name)
        yield next(blocks)
        yield next(blocks)
        raise soundfile.LibsndfileError(1)

    monkeypatch.setattr(stream_decode, "soundfile_blocks", stops)
    np.testing.assert_array_equal(joined(path), whole)


def test_faults_are_those_of_the_whole_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is not a sound " * 100)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    samples = noise(1.0, 16_000)[:, 0]
    soundfile.write(tmp_path / "whole.wav", samples, 16_000)
    samples[15_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    (tmp_path / "cut.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:15_000])
    for name in ("empty.wav", "text.wav", "none.wav", "nan.wav", "cut.wav", "absent.wav"):
        with pytest.raises(AudioError) as whole:
            load_16k(tmp_path / name)
        with pytest.raises(AudioError) as streamed:
            joined(tmp_path / name)
        assert str(streamed.value) == str(whole.value)


def test_overflow_by_resampling_is_named(tmp_path: Path) -> None:
    huge = np.where(np.arange(4_000) % 2, 1, -1) * np.float32(3.4e38)
    soundfile.write(tmp_path / "huge.wav", np.sign(noise(1, 4_000)[:, 0]) * np.abs(huge), 44_100, subtype="FLOAT")
    with pytest.raises(AudioError, match="overflows"):
        joined(tmp_path / "huge.wav")
