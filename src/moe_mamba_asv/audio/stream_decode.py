"""A file of any length becomes what a model hears, block by block, in memory that does not grow with it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from moe_mamba_asv.audio.decode import (
    PYAV_REFUSES,
    SOUNDFILE_REFUSES,
    mono,
    name_of,
    pyav_blocks,
    refuse_absent,
    soundfile_blocks,
    undecodable,
)
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError

#: FFmpeg's frames, a thousand samples each, are joined to blocks of at least this many.
_JOINED_SAMPLES = 1 << 16


def stream_16k(source: Path | bytes) -> Iterator[NDArray[np.float32]]:
    """Read one sound as mono float32 at 16 kHz, a few seconds at a time.

    Joined, the blocks are the samples that `moe_mamba_asv.audio.load.load_16k` answers. One difference: where
    soundfile fails in the middle of a file, PyAV goes on from there; `load_16k` takes all of it from PyAV then. For a
    lossless file that is the same.

    Args:
        source: a path, or the content of a file.

    Yields:
        Shape (samples,), at least one sample, finite.

    Raises:
        AudioError: as `load_16k`; a fault is raised when its place is reached, a truncation at the end.
    """
    name = name_of(source)
    refuse_absent(source, name)
    resampler: soxr.ResampleStream | None = None
    first, num_given, rate_hz = np.zeros(0, np.float32), 0, SAMPLE_RATE_HZ
    for block, rate_hz in _joined(_mono_blocks(source, name)):
        if not len(first):
            first = block[:1].copy()
            resampler = _resampler(rate_hz)
        resampled = block if resampler is None else resampler.resample_chunk(block)
        num_given += len(resampled)
        if len(resampled):
            yield _finite(resampled, name, rate_hz)
    mono(first[:, None], name)  # refuses a file without samples
    if resampler is not None:
        # As `resample`: what is less than half a sample at 16 kHz stays one sample.
        resampled = resampler.resample_chunk(first[:0], last=True)
        resampled = resampled if num_given + len(resampled) else first
        if len(resampled):
            yield _finite(resampled, name, rate_hz)


def _resampler(rate_hz: int) -> soxr.ResampleStream | None:
    if rate_hz == SAMPLE_RATE_HZ:
        return None
    return soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32", quality="HQ")


def _mono_blocks(source: Path | bytes, name: str) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Blocks of at least one sample, and their rate in Hz."""
    num_given, rate_before = 0, None
    try:
        for block, rate_before in soundfile_blocks(source, name):
            if len(block):
                yield mono(block, name), rate_before
                num_given += len(block)
        return
    except SOUNDFILE_REFUSES as error:
        refusal = error
    try:
        for block, rate_hz in pyav_blocks(source, name):
            if num_given and rate_hz != rate_before:
                raise ValueError(f"{rate_hz} Hz, soundfile says {rate_before} Hz")
            new = block[num_given:]
            num_given -= len(block) - len(new)
            if len(new):
                yield mono(new, name), rate_hz
    except PYAV_REFUSES as error:
        raise undecodable(name, refusal, error) from error


def _joined(blocks: Iterator[tuple[NDArray[np.float32], int]]) -> Iterator[tuple[NDArray[np.float32], int]]:
    """The same samples in larger blocks."""
    waiting: list[NDArray[np.float32]] = []
    num_waiting, rate_hz = 0, SAMPLE_RATE_HZ
    for block, rate_hz in blocks:
        waiting.append(block)
        num_waiting += len(block)
        if num_waiting >= _JOINED_SAMPLES:
            yield np.concatenate(waiting), rate_hz
            waiting, num_waiting = [], 0
    if waiting:
        yield np.concatenate(waiting), rate_hz


def _finite(waveform: NDArray[np.float32], name: str, rate_hz: int) -> NDArray[np.float32]:
    if not np.isfinite(waveform).all():
        raise AudioError(f"{name} overflows when resampled from {rate_hz} Hz", wanted="samples near full scale 1.0")
    return waveform
