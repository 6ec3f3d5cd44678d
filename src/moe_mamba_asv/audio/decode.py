"""A file or its bytes become mono samples: soundfile first, PyAV (FFmpeg) where soundfile cannot."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.errors import AudioError

if TYPE_CHECKING:
    import av

#: Containers whose stream duration is stored, not guessed from a bit rate: only there a shortfall means truncation.
_STORED_DURATION = {"mov,mp4,m4a,3gp,3g2,mj2", "flac", "wav", "aiff", "caf"}
#: A file is truncated when more than both of these are missing; encoders' delay and padding stay far below.
_TOLERATED_MISSING_S, _TOLERATED_MISSING_FRACTION = 0.1, 0.02
#: A WAV written to a pipe holds a placeholder of this size or more instead of its length.
_STREAMED_WAV_BYTES = 0x7FFF0000
_BLOCK_FRAMES = 1 << 18
#: What soundfile and PyAV raise where they cannot read on.
SOUNDFILE_REFUSES = (soundfile.LibsndfileError, soundfile.SoundFileRuntimeError)
PYAV_REFUSES = (ValueError,)
#: FFmpeg sample formats and the value that full scale has in them.
_FULL_SCALE = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63, "flt": 1.0, "dbl": 1.0}
#: What FFmpeg may take a file for, by its own names. Playlists (concat, hls, dash) are not among them: a hostile file
#: would have other files of this machine read in its place.
_CONTAINERS = (
    "aac,ac3,adts,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,g722,gsm,matroska,webm,mov,mp4,m4a,3gp,3g2,mp2,"
    "mp3,mpeg,mpegts,ogg,oga,spx,tta,voc,w64,wav,wv"
)


def decode(source: Path | bytes, *, max_duration_s: float | None = None) -> tuple[NDArray[np.float32], int]:
    """Decode the (first) sound track of a file to mono at its own sampling rate.

    WAV, FLAC, Ogg, MP3, AIFF … are read by soundfile; what it refuses (M4A/AAC, the sound of a video, G.722,
    some FLACs) by PyAV, where that is installed. Integer FLAC gives the same bits through either.

    Odd inputs have these answers:

    * several channels (8 as well as 2): their mean, taken in float64;
    * any sampling rate (192 kHz too): kept, see `moe_mamba_asv.audio.resample`;
    * a single sample, or digital silence: decoded like any other sound;
    * an empty file, no sound track, no samples, NaN or infinite samples: `AudioError`;
    * truncated, that is more than 0.1 s and 2 % shorter than the header promises: `AudioError`;
    * longer than ``max_duration_s``: `AudioError`, raised before the rest is decoded.

    Args:
        source: a path, or the content of a file.
        max_duration_s: refuse anything longer; None accepts any length.

    Returns:
        Samples of shape (samples,), float32 with full scale 1.0, and the sampling rate in Hz.

    Raises:
        AudioError: the sound cannot be used; names the file and what each decoder said.
    """
    name = name_of(source)
    refuse_absent(source, name)
    try:
        channels, rate_hz = _decode_soundfile(source, name, max_duration_s)
    except SOUNDFILE_REFUSES as first:
        try:
            channels, rate_hz = _decode_pyav(source, name, max_duration_s)
        except PYAV_REFUSES as second:
            raise undecodable(name, first, second) from second
    return mono(channels, name), rate_hz


class NoPyAVError(ValueError):
    """PyAV is not installed: it is large, and most sounds do without."""


def undecodable(name: str, by_soundfile: Exception, by_pyav: Exception) -> AudioError:
    """What is said of a file that neither decoder reads."""
    if isinstance(by_pyav, NoPyAVError):
        return AudioError(
            f"{name} cannot be decoded (soundfile: {by_soundfile}; {by_pyav})",
            wanted="WAV, FLAC, MP3, Ogg or Opus; for M4A, AAC or the sound of a video, PyAV",
            remedy="pip install 'moe-mamba-asv[media]', or convert it with `ffmpeg -i INPUT OUTPUT.flac`",
        )
    return AudioError(
        f"{name} cannot be decoded (soundfile: {by_soundfile}; PyAV: {by_pyav})",
        wanted="WAV, FLAC, MP3, Ogg, Opus, M4A or a video with a sound track",
        remedy="convert it with `ffmpeg -i INPUT OUTPUT.flac`",
    )


def name_of(source: Path | bytes) -> str:
    """What messages call a sound."""
    return f"sound of {len(source)} bytes" if isinstance(source, bytes) else str(source)


def refuse_absent(source: Path | bytes, name: str) -> None:
    """Raise `AudioError` where there is no file, or nothing in it."""
    if not isinstance(source, bytes) and not source.is_file():
        raise AudioError(f"{name} is not a file", wanted="a sound file", remedy="check the path")
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size == 0:
        raise AudioError(f"{name} is empty (0 bytes)", wanted="a sound file", remedy="fetch or write the file again")


def _open(source: Path | bytes) -> str | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def _decode_soundfile(source: Path | bytes, name: str, max_duration_s: float | None) -> tuple[NDArray, int]:
    """Samples (samples, channels) and rate in Hz through libsndfile."""
    return _gather(soundfile_blocks(source, name), name, max_duration_s)


def _decode_pyav(source: Path | bytes, name: str, max_duration_s: float | None) -> tuple[NDArray, int]:
    """Samples (samples, channels) and rate in Hz through FFmpeg."""
    return _gather(pyav_blocks(source, name), name, max_duration_s)


def _gather(decoded: Iterator[tuple[NDArray, int]], name: str, max_duration_s: float | None) -> tuple[NDArray, int]:
    blocks: list[NDArray] = []
    num_frames, rate_hz = 0, 0
    for block, rate_hz in decoded:
        blocks.append(block)
        num_frames += len(block)
        _refuse_long(name, num_frames, rate_hz, max_duration_s)
    return np.concatenate(blocks), rate_hz


def soundfile_blocks(source: Path | bytes, name: str) -> Iterator[tuple[NDArray, int]]:
    """Decode through libsndfile, block by block: (samples, channels) and the rate in Hz.

    The first block is empty: it tells the number of channels also where there are no samples.

    Raises:
        AudioError: after the last block, if the file is truncated.
        SOUNDFILE_REFUSES: libsndfile cannot open it or read on.
    """
    with soundfile.SoundFile(_open(source)) as file:
        rate_hz = file.samplerate
        num_frames = 0
        yield np.zeros((0, file.channels), np.float32), rate_hz
        while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
            num_frames += len(block)
            yield block, rate_hz
        promised = max(file.frames if file.frames < 2**62 else 0, _frames_wav_header_promises(file))
        _refuse_truncated(name, num_frames, promised, rate_hz)


def _frames_wav_header_promises(file: soundfile.SoundFile) -> int:
    """Frames of a WAV by its data chunk; libsndfile silently lowers ``frames`` to what is there, and logs it."""
    logged = re.search(r"^data : (\d+) \(should be (\d+)\)", file.extra_info, re.MULTILINE)
    if logged is None or int(logged[1]) >= _STREAMED_WAV_BYTES or int(logged[2]) == 0:
        return 0
    return round(file.frames * int(logged[1]) / int(logged[2]))


def pyav_blocks(source: Path | bytes, name: str) -> Iterator[tuple[NDArray, int]]:
    """Decode through FFmpeg, frame by frame, as `soundfile_blocks` does.

    Raises:
        AudioError: after the last block, if the file is truncated.
        NoPyAVError: PyAV is not installed.
        PYAV_REFUSES: FFmpeg cannot open it or read on, or it holds no sound that can be read.
    """
    pyav = _import_pyav()
    try:
        yield from _ffmpeg_blocks(pyav, source, name)
    except pyav.error.FFmpegError as error:
        raise ValueError(str(error)) from error


def _import_pyav() -> ModuleType:
    """PyAV, imported at the first file that needs it: it may be absent, and loads all of FFmpeg."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise NoPyAVError("PyAV is not installed") from error
    return av


def _ffmpeg_blocks(pyav: ModuleType, source: Path | bytes, name: str) -> Iterator[tuple[NDArray, int]]:
    with pyav.open(_open(source), mode="r", options={"format_whitelist": _CONTAINERS}) as container:
        if not container.streams.audio:
            raise ValueError("no sound track")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise ValueError("a sound track in a form that no decoder knows")
        rate_hz = stream.rate
        num_frames = 0
        yield np.zeros((0, stream.channels), np.float32), rate_hz
        for frame in container.decode(stream):
            if frame.sample_rate != rate_hz:
                raise ValueError(f"the sampling rate changes from {rate_hz} to {frame.sample_rate} Hz")
            block = _frame_samples(frame)
            num_frames += len(block)
            yield block, rate_hz
        promised = 0
        if container.format.name in _STORED_DURATION and stream.duration and stream.time_base:
            promised = round(stream.duration * stream.time_base * rate_hz)
        _refuse_truncated(name, num_frames, promised, rate_hz)


def _frame_samples(frame: "av.AudioFrame") -> NDArray[np.float64]:
    """One frame as (samples, channels), full scale 1.0."""
    samples = frame.to_ndarray()
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, len(frame.layout.channels))
    sample_format = frame.format.packed.name
    if sample_format not in _FULL_SCALE:
        raise ValueError(f"sample format {sample_format}")
    offset = 128.0 if sample_format == "u8" else 0.0
    return (samples.astype(np.float64) - offset) / _FULL_SCALE[sample_format]


def _refuse_long(name: str, num_frames: int, rate_hz: int, max_duration_s: float | None) -> None:
    if max_duration_s is not None and num_frames > max_duration_s * rate_hz:
        raise AudioError(
            f"{name} is longer than {max_duration_s:g} s", wanted="a shorter sound", remedy="cut it, or raise the limit"
        )


def _refuse_truncated(name: str, num_frames: int, promised_frames: int, rate_hz: int) -> None:
    missing = promised_frames - num_frames
    if missing > max(_TOLERATED_MISSING_S * rate_hz, _TOLERATED_MISSING_FRACTION * promised_frames):
        raise AudioError(
            f"{name} is truncated: its header promises {promised_frames / rate_hz:.2f} s, "
            f"{num_frames / rate_hz:.2f} s are there",
            wanted="a whole file",
            remedy="fetch or write the file again",
        )


def mono(channels: NDArray, name: str) -> NDArray[np.float32]:
    """Mean of the channels of (samples, channels), finite, at least one sample; else `AudioError`."""
    if len(channels) == 0:
        raise AudioError(f"{name} holds no samples", wanted="at least one sample", remedy="fetch or write it again")
    waveform = channels.mean(axis=1, dtype=np.float64).astype(np.float32)
    if not np.isfinite(waveform).all():
        bad = int(np.count_nonzero(~np.isfinite(waveform)))
        raise AudioError(
            f"{name} holds {bad} samples that are NaN or infinite", wanted="finite samples", remedy="export it again"
        )
    return waveform
