"""Tar files of made sounds, as WebDataset writes them."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from stand_in import RATE_HZ, clip


def sound(seed: int, form: str = "FLAC", duration_s: float = 0.6) -> bytes:
    """A file's content."""
    file = io.BytesIO()
    soundfile.write(
        file, clip(np.random.default_rng(seed), spoof=seed % 2 == 1, duration_s=duration_s), RATE_HZ, format=form
    )
    return file.getvalue()


def write_shard(path: Path, members: Iterable[tuple[str, bytes]]) -> Path:
    """Members by name, in this order; a name may come twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path
