"""Sounds in an object store, or anywhere else that fsspec knows: listed by address, fetched when they are scored."""

import posixpath
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.errors import AudioError

#: A sound is held whole in memory while it is decoded.
MAX_BYTES = 2 * 2**30
#: What stores and protocols raise: no such file, no permission, no network, no package for the protocol.
REFUSES = (OSError, ValueError, ImportError)


def is_address(text: str) -> bool:
    """``s3://bucket/calls``, ``gs://…``, ``https://…``, ``memory://…``: all that has a protocol."""
    return "://" in text


def list_addresses(address: str, endings: frozenset[str] = AUDIO_ENDINGS) -> list[str]:
    """The file itself, or all files below a prefix that end in one of ``endings``, sorted.

    Args:
        address: of a file, or of a prefix that ends in nothing in particular.
        endings: lower case, with the dot.

    Raises:
        AudioError: nothing there, or the store cannot be reached.
    """
    try:
        store, path = url_to_fs(address)
        if store.isfile(path):
            return [address]
        found = [str(name) for name in store.find(path) if posixpath.splitext(str(name))[1].lower() in endings]
        return sorted(store.unstrip_protocol(name) for name in found)
    except REFUSES as error:
        raise AudioError(
            f"{address} cannot be listed: {error}", wanted="an address that fsspec opens", remedy="pip install s3fs …"
        ) from error


def content_of(place: Path | str) -> Path | bytes:
    """What decoders take: a path as it is, the content of an address.

    Raises:
        AudioError: it cannot be fetched, or is larger than `MAX_BYTES`.
    """
    if isinstance(place, Path):
        return place
    try:
        with fsspec.open(place, "rb") as file:
            content = file.read(MAX_BYTES + 1)  # pyright: ignore[reportAttributeAccessIssue] - one file, not many
    except REFUSES as error:
        raise AudioError(f"{place} cannot be fetched: {error}", wanted="a sound") from error
    if len(content) > MAX_BYTES:
        raise AudioError(f"{place} has over {MAX_BYTES:,} bytes", wanted="a smaller sound", remedy="copy it here")
    return content
