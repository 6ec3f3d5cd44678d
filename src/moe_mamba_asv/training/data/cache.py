"""A corpus decoded once: every sample of it in one file, read by crops.

A store lies in a folder named after the files that it was made of and what decoded them, so that runs share it, and a
file that changed is another store. Nothing removes an old one: it is a cache, and may be deleted at any time that no
run uses it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError, TrainingError
from moe_mamba_asv.training.data.building import publish, workshop

Progress = Callable[[int, int], None]

#: Raise it whenever `load_16k` answers otherwise, or the files of a store mean something else.
_FORMAT = 1
_DECODERS = ("soundfile", "av", "soxr")
_SAMPLES, _INDEX = "samples.bin", "index.parquet"
#: Files that are decoded, or wait decoded for their turn to be written.
_QUEUED = 32
_INT16, _FLOAT32 = np.dtype("<i2"), np.dtype("<f4")
_INT16_FULL_SCALE = np.float32(2**15)


class _Source(NamedTuple):
    """Identity of a file; -1 where it is not there."""

    path: str
    size_bytes: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str) -> "_Source":
        place = Path(path).absolute()
        if not place.is_file():
            return cls(str(place), -1, -1)
        stat = place.stat()
        return cls(str(place), stat.st_size, stat.st_mtime_ns)


class DecodedStore:
    """The clips of a table as `load_16k` gives them, bit for bit.

    Clips whose samples are whole 16-bit steps, as those of a 16 kHz mono FLAC or WAV, are stored as such, others as
    float32. The file is mapped into memory: worker processes share its pages, and a crop reads no more than it needs.

    Args:
        folder: of one store, see `open_store`.

    Attributes:
        folder: as given; its name is the digest of the files and of what decoded them.
        num_samples: (clips,), of each clip at 16 kHz.

    Raises:
        TrainingError: the store is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            index = pl.read_parquet(folder / _INDEX)
            self._bytes = np.asarray(np.memmap(folder / _SAMPLES, np.uint8, mode="r"))
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            raise _damaged(folder, str(error)) from error
        self.num_samples: NDArray[np.int64] = index["num_samples"].to_numpy()
        self._paths: list[str] = index["path"].to_list()
        self._offsets = index["offset_bytes"].to_numpy()
        self._is_int16 = index["int16"].to_numpy()
        last_bytes = int(self.num_samples[-1]) * self._dtype(-1).itemsize
        if len(self._bytes) != self._offsets[-1] + last_bytes:
            raise _damaged(folder, f"{_SAMPLES} has {len(self._bytes):,} bytes")

    def __reduce__(self) -> tuple[type["DecodedStore"], tuple[Path]]:
        # A worker that is not forked opens the files itself; the samples must not travel.
        return DecodedStore, (self.folder,)

    def __len__(self) -> int:
        return len(self.num_samples)

    @property
    def duration_s(self) -> NDArray[np.float64]:
        """(clips,), seconds; for `Mixture.with_durations`."""
        return self.num_samples / SAMPLE_RATE_HZ

    def holds(self, paths: Sequence[str]) -> bool:
        """Whether its clips are these, in this order."""
        return self._paths == [str(Path(path).absolute()) for path in paths]

    def samples(self, row: int, start: int, count: int) -> NDArray[np.float32]:
        """Samples of one clip, from ``start`` on: ``count``, or as many as are left.

        Raises:
            TrainingError: ``start`` or ``count`` is negative.
        """
        if start < 0 or count < 0:
            raise TrainingError(f"{count} samples from {start} on", wanted="neither to be negative")
        dtype, length = self._dtype(row), int(self.num_samples[row])
        first, last = min(start, length), min(start + count, length)
        offset = int(self._offsets[row])
        stored = self._bytes[offset + first * dtype.itemsize : offset + last * dtype.itemsize].view(dtype)
        samples = np.array(stored, np.float32)
        return samples / _INT16_FULL_SCALE if self._is_int16[row] else samples

    def _dtype(self, row: int) -> np.dtype:
        return _INT16 if self._is_int16[row] else _FLOAT32


def open_store(table: pl.DataFrame, folder: Path, on_progress: Progress = lambda done, total: None) -> DecodedStore:
    """Open the decoded clips of a table; decode them first where that was not done, or a file has changed since.

    A build is seen by others only when it is whole. Two processes that build the same store do so apart, and the
    first to end serves both.

    Args:
        table: column ``path``, at least one row; the rows of the store are its rows.
        folder: of all stores; made if it is not there.
        on_progress: called with files decoded and all files.

    Raises:
        TrainingError: files that cannot be decoded, all of them with the reason; a store is damaged.
    """
    sources = [_Source.of(path) for path in table["path"]]
    store = folder / _digest(sources)
    if not store.is_dir():
        with workshop(folder) as building:
            _write(sources, building, on_progress)
            publish(building, store)
    return DecodedStore(store)


def _digest(sources: Sequence[_Source]) -> str:
    made_by = {"format": _FORMAT, **{name: version(name) for name in _DECODERS}}
    return hashlib.sha256(json.dumps([made_by, sources]).encode()).hexdigest()[:32]


def _damaged(folder: Path, found: str) -> TrainingError:
    return TrainingError(
        f"the decoded clips in {folder} are damaged: {found}", remedy="delete that folder; the next run decodes again"
    )


def _write(sources: Sequence[_Source], building: Path, on_progress: Progress) -> None:
    entries: list[tuple[int, int, bool]] = []
    bad: list[str] = []
    with (building / _SAMPLES).open("wb") as file:
        for number, decoded in enumerate(_decoded(sources), start=1):
            if isinstance(decoded, str):
                bad.append(decoded)
            else:
                entries.append(_append(file, decoded))
            on_progress(number, len(sources))
        file.flush()
        os.fsync(file.fileno())
    if bad:
        raise TrainingError(
            "\n".join([f"{len(bad):,} of {len(sources):,} files cannot be decoded:", *bad]),
            remedy="`mma corpus check` finds what else is wrong with the corpus",
        )
    columns = {"offset_bytes": pl.Int64, "num_samples": pl.Int64, "int16": pl.Boolean}
    of_sources = pl.DataFrame(sources, {"path": pl.String, "size_bytes": pl.Int64, "mtime_ns": pl.Int64}, orient="row")
    of_samples = pl.DataFrame(entries, columns, orient="row")
    pl.concat([of_sources, of_samples], how="horizontal").write_parquet(building / _INDEX)


def _decoded(sources: Sequence[_Source]) -> Iterator[NDArray[np.int16] | NDArray[np.float32] | str]:
    """In order: what is stored of each file, or why it cannot be."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(sources), _QUEUED):
            yield from pool.map(_decode, sources[start : start + _QUEUED])


def _decode(source: _Source) -> NDArray[np.int16] | NDArray[np.float32] | str:
    try:
        waveform = load_16k(Path(source.path))
    except AudioError as error:
        return str(error)
    if _Source.of(source.path) != source:
        return f"{source.path} changed while it was read"
    steps = np.clip(np.rint(waveform * _INT16_FULL_SCALE), -(2**15), 2**15 - 1).astype(_INT16)
    # Compared as bits: a negative zero is lost among whole steps.
    exact = np.array_equal((steps / _INT16_FULL_SCALE).view(np.uint32), waveform.view(np.uint32))
    return steps if exact else waveform.astype(_FLOAT32)


def _append(file: BinaryIO, samples: NDArray[np.int16] | NDArray[np.float32]) -> tuple[int, int, bool]:
    """Offset in bytes, number of samples, and whether they are 16-bit."""
    file.write(bytes(-file.tell() % _FLOAT32.itemsize))
    offset = file.tell()
    file.write(samples.tobytes())
    return offset, len(samples), samples.dtype == _INT16
