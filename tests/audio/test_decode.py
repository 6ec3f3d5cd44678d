"""Formats made on the fly, and every odd input with its defined answer."""

import io
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from av.error import FFmpegError

from moe_mamba_asv.audio import decode as decode_module
from moe_mamba_asv.audio.decode import decode
from moe_mamba_asv.errors import AudioError

RATE_HZ = 16_000


def tone(rate_hz: int = RATE_HZ, duration_s: float = 1.0, frequency_hz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * rate_hz)) / rate_hz)


def written(path: Path, samples: np.ndarray, rate_hz: int = RATE_HZ, subtype: str | None = None) -> Path:
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    return path


def encoded_by_pyav(path: Path, samples: np.ndarray, codec: str, rate_hz: int, *, with_video: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        if with_video:
            pictures = container.add_stream("mpeg4", rate=25)
            pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux([*pictures.encode(picture), *pictures.encode(None)])
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def strongest_hz(waveform: np.ndarray, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(waveform))) * rate_hz / len(waveform))


FORMATS = ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.aiff", "a.opus", "a.m4a", "a.mp4", "a.aac", "a.mkv"]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_every_format_decodes_to_the_tone_that_was_encoded(tmp_path: Path, name: str, as_bytes: bool) -> None:
    path, rate_hz = tmp_path / name, 48_000
    if name == "a.opus":
        soundfile.write(path, tone(rate_hz), rate_hz, format="OGG", subtype="OPUS")
    elif path.suffix in {".m4a", ".mp4", ".aac", ".mkv"}:
        encoded_by_pyav(path, tone(rate_hz), "aac", rate_hz, with_video=path.suffix in {".mp4", ".mkv"})
    else:
        written(path, tone(rate_hz), rate_hz)
    waveform, decoded_hz = decode(path.read_bytes() if as_bytes else path)
    assert waveform.dtype == np.float32
    assert decoded_hz == rate_hz
    assert len(waveform) == pytest.approx(rate_hz, rel=0.06)  # encoder delay and padding
    assert strongest_hz(waveform, rate_hz) == pytest.approx(440, abs=3)
    middle = waveform[rate_hz // 4 : rate_hz // 2]  # codecs overshoot where the tone sets in
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("num_channels", [1, 2, 8])
def test_integer_flac_has_the_same_bits_through_either_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtype: str, num_channels: int
) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, (3_001, num_channels))
    path = written(tmp_path / "noise.flac", noise, subtype=subtype)
    by_soundfile, _ = decode(path)

    def refuse(*_: object) -> None:
        raise soundfile.LibsndfileError(1)

    monkeypatch.setattr(decode_module, "_decode_soundfile", refuse)
    by_pyav, _ = decode(path)
    np.testing.assert_array_equal(by_soundfile, by_pyav)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_pyav_reads_every_sample_format_at_the_same_scale(tmp_path: Path, subtype: str) -> None:
    path = written(tmp_path / "tone.wav", tone(duration_s=0.1), subtype=subtype)
    by_soundfile, _ = decode(path)
    channels, _ = decode_module._decode_pyav(path, "tone", None)
    np.testing.assert_allclose(channels[:, 0], by_soundfile, atol=1e-7)


def test_channels_are_averaged(tmp_path: Path) -> None:
    channels = np.stack([np.full(100, level) for level in np.arange(8) / 16], axis=1)
    waveform, _ = decode(written(tmp_path / "eight.wav", channels))
    np.testing.assert_allclose(waveform, np.mean(np.arange(8) / 16), atol=1e-4)


def test_192_khz_keeps_its_rate(tmp_path: Path) -> None:
    waveform, rate_hz = decode(written(tmp_path / "high.wav", tone(192_000, 0.1), 192_000))
    assert (len(waveform), rate_hz) == (19_200, 192_000)


def test_one_sample_is_a_sound(tmp_path: Path) -> None:
    waveform, _ = decode(written(tmp_path / "one.wav", np.array([0.25])))
    assert waveform.tolist() == [0.25]


def test_silence_is_a_sound(tmp_path: Path) -> None:
    waveform, _ = decode(written(tmp_path / "silent.flac", np.zeros(1_000)))
    assert len(waveform) == 1_000
    assert not waveform.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_samples_are_refused(tmp_path: Path, bad: float) -> None:
    samples = tone().astype(np.float32)
    samples[7] = bad
    with pytest.raises(AudioError, match=r"bad\.wav holds 1 samples that are NaN or infinite"):
        decode(written(tmp_path / "bad.wav", samples, subtype="FLOAT"))


def test_empty_file_absent_file_and_no_samples_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(AudioError, match=r"empty\.wav is empty"):
        decode(tmp_path / "empty.wav")
    with pytest.raises(AudioError, match="is empty"):
        decode(b"")
    with pytest.raises(AudioError, match=r"absent\.wav is not a file"):
        decode(tmp_path / "absent.wav")
    with pytest.raises(AudioError, match="holds no samples"):
        decode(written(tmp_path / "none.wav", np.zeros(0)))


def test_garbage_names_the_file_and_both_reasons(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not a sound " * 100)
    with pytest.raises(AudioError, match=r"text\.wav cannot be decoded \(soundfile: .+; PyAV: .+\)"):
        decode(tmp_path / "text.wav")


def test_video_without_sound_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*pictures.encode(picture), *pictures.encode(None)])
    with pytest.raises(AudioError, match="no sound track"):
        decode(path)


def test_a_sound_track_that_no_decoder_knows_is_refused(tmp_path: Path) -> None:
    """PyAV has no decoder to ask then, and answers None in its place."""
    path = encoded_by_pyav(tmp_path / "strange.mkv", tone(48_000), "aac", 48_000)
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_ZZZ"))
    with pytest.raises(AudioError, match="a form that no decoder knows"):
        decode(path)


@pytest.mark.parametrize("name", ["cut.wav", "cut.flac", "cut.m4a"])
def test_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, 3 * RATE_HZ)
    if name == "cut.m4a":
        encoded_by_pyav(path, noise, "aac", RATE_HZ)
    else:
        written(path, noise)
    whole = path.read_bytes()
    decode(whole)
    with pytest.raises(AudioError, match=r"truncated|cannot be decoded"):
        decode(whole[: len(whole) // 2])


def test_wav_written_to_a_pipe_is_not_called_truncated() -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(), RATE_HZ, format="WAV", subtype="PCM_16")
    content = bytearray(buffer.getvalue())
    content[40:44] = b"\xff\xff\xff\xff"  # FFmpeg's placeholder for a length it cannot go back to fill in
    waveform, _ = decode(bytes(content))
    assert len(waveform) == RATE_HZ


def test_longer_than_the_limit_is_refused_by_both_decoders(tmp_path: Path) -> None:
    flac = written(tmp_path / "long.flac", tone(duration_s=3))
    m4a = encoded_by_pyav(tmp_path / "long.m4a", tone(duration_s=3), "aac", RATE_HZ)
    for path in (flac, m4a):
        with pytest.raises(AudioError, match="is longer than 2 s"):
            decode(path, max_duration_s=2)
        assert len(decode(path, max_duration_s=4)[0]) >= 3 * RATE_HZ


def test_changing_sampling_rate_is_refused(tmp_path: Path) -> None:
    # Two raw AAC streams of different rates, one after the other.
    first = encoded_by_pyav(tmp_path / "a.aac", tone(16_000), "aac", 16_000).read_bytes()
    second = encoded_by_pyav(tmp_path / "b.aac", tone(48_000), "aac", 48_000).read_bytes()
    with pytest.raises((ValueError, FFmpegError), match="sampling rate changes"):
        decode_module._decode_pyav(first + second, "two rates", None)


@pytest.mark.parametrize("ending", ["wav", "m3u8", "txt"])
def test_a_playlist_has_no_other_file_read(tmp_path, ending):
    """FFmpeg follows playlists: whoever sends one would hear files of this machine."""
    secret = tmp_path / "secret.wav"
    soundfile.write(secret, 0.1 * np.ones(16_000), 16_000)
    playlists = {
        "wav": f"ffconcat version 1.0\nfile '{secret.name}'\n",
        "txt": f"ffconcat version 1.0\nfile '{secret}'\n",
        "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret.name}\n#EXT-X-ENDLIST\n",
    }
    hostile = tmp_path / f"hostile.{ending}"
    hostile.write_text(playlists[ending])
    for source in (hostile, hostile.read_bytes()):
        with pytest.raises(AudioError, match="cannot be decoded"):
            decode(source)
