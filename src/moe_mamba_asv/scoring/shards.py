"""Sounds in tar files, as WebDataset has them: listed by their headers, read by their place, never unpacked.

A first pass over a shard reads the headers alone and notes where each sound begins. From then on a sound is a stretch
of bytes: any thread, and any node of a cluster that can open the shard, reads that stretch and nothing else.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
from fsspec.core import url_to_fs

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scoring import remote

#: Shards are plain tars: in a compressed one, no sound can be read without all that stands before it.
SHARD_ENDING = ".tar"


@dataclass(frozen=True)
class Member:
    """A sound in a shard.

    Attributes:
        shard: path or address of the tar.
        name: of the member, with its folders; empty where the fault is the shard's own.
        start: byte of the shard at which its content begins.
        size: of its content in bytes.
        fault: why it cannot be read, as far as the shard tells; empty where it can.
    """

    shard: Path | str
    name: str
    start: int
    size: int
    fault: str = ""

    @property
    def key(self) -> str:
        """``SHARD.tar/a/b`` of ``a/b.left.flac``: the key of its sample, which ends at the first dot of the file name.

        The shard alone where the fault is its own.
        """
        folder, slash, file = self.name.rpartition("/")
        stem = f"{folder}{slash}{file.partition('.')[0]}" if not file.startswith(".") else self.name
        return _within(PurePosixPath(self.shard).name, stem)

    @property
    def whole(self) -> str:
        """The shard as it was given, and all of the member's name."""
        return _within(self.shard if isinstance(self.shard, str) else self.shard.as_posix(), self.name)

    def content(self) -> bytes:
        """Its bytes.

        Raises:
            AudioError: it has a fault, is cut off, is larger than `remote.MAX_BYTES`, or the shard cannot be read.
        """
        told = printable(self.whole)
        if self.fault:
            raise AudioError(f"{told}: {self.fault}", wanted="a sound in a whole tar")
        if self.size > remote.MAX_BYTES:
            raise AudioError(f"{told} has over {remote.MAX_BYTES:,} bytes", wanted="a smaller sound")
        try:
            content = self._stretch()
        except remote.REFUSES as error:
            raise AudioError(f"{told} cannot be fetched: {error}", wanted="a sound") from error
        if len(content) != self.size:
            raise AudioError(
                f"{told}: {len(content):,} bytes came of {self.size:,}",
                wanted="a whole tar, in a store that gives parts of a file",
                remedy="fetch or write the tar again",
            )
        return content

    def _stretch(self) -> bytes:
        if isinstance(self.shard, Path):
            with self.shard.open("rb") as file:
                file.seek(self.start)
                return file.read(self.size)
        store, path = url_to_fs(self.shard)
        return bytes(store.cat_file(path, start=self.start, end=self.start + self.size)) if self.size else b""


def list_members(shard: Path | str) -> list[Member]:
    """Every sound of a shard, in its order; other members, such as labels, are left out.

    What has the name of a sound and is a link is listed with its fault. A shard that is cut off, is no tar or cannot be
    opened is listed itself, after the sounds that stand before the fault: none is lost without a word.

    Args:
        shard: path or address.
    """
    found: list[Member] = []
    try:
        with _open(shard) as file:
            for member in _members(file, shard):
                found.append(member)
    except (tarfile.TarError, EOFError, LookupError, *remote.REFUSES) as error:
        found.append(Member(shard, "", 0, 0, f"no tar after {len(found):,} sounds: {error}"))
    return found


def printable(name: str) -> str:
    """A name that fits a column: control characters are written out."""
    return name if name.isprintable() else name.encode("unicode_escape").decode()


def _open(shard: Path | str) -> Any:
    return shard.open("rb") if isinstance(shard, Path) else fsspec.open(shard, "rb")


def _members(file: Any, shard: Path | str) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        begun = -1
        while (info := tar.next()) is not None:
            if info.size < 0 or tar.offset <= begun:
                raise tarfile.ReadError(f"a member of {info.size:,} bytes")  # it would be read for ever
            begun = tar.offset
            tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue] - each would be remembered
            name = info.name.removeprefix("./")
            if info.isdir() or PurePosixPath(name).suffix.lower() not in AUDIO_ENDINGS:
                continue
            fault = "" if info.isreg() and not info.issparse() else "a link, or a file with holes, and no sound"
            yield Member(shard, name, info.offset_data, info.size, fault)
        # tarfile takes a header that is cut off or damaged for the end.
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError(f"no mark of an end at byte {tar.offset:,}")


def _within(shard: str, name: str) -> str:
    return f"{shard}/{name}" if name else shard
