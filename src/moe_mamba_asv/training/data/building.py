"""Folders that are built where nobody looks, and seen by others only when they are whole."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

#: What the names of folders begin with that are not whole yet.
BUILDING = ".building-"
#: A build that has written nothing for so long was killed; no single piece of one takes an hour.
_ABANDONED_AFTER_S = 3600.0


@contextmanager
def workshop(folder: Path) -> Iterator[Path]:
    """A new folder inside another one, for one process to build in; gone at the end, unless it was published.

    Args:
        folder: made if it is not there; what killed processes left in it is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder)
    building = folder / f"{BUILDING}{uuid4().hex}"
    building.mkdir()
    try:
        yield building
    finally:
        if building.is_dir():
            shutil.rmtree(building)


def publish(building: Path, place: Path) -> None:
    """Give a whole folder the name under which others look for it; the first of those that build it does."""
    try:
        building.rename(place)
    except OSError:
        if not place.is_dir():
            raise
        # Another process was first, with the same content.


def _remove_abandoned(folder: Path) -> None:
    """What a killed process left behind."""
    for building in folder.glob(f"{BUILDING}*"):
        try:
            newest = max(path.stat().st_mtime for path in (building, *building.iterdir()))
            if time.time() - newest > _ABANDONED_AFTER_S:
                shutil.rmtree(building)
        except FileNotFoundError:
            continue  # its process has just ended the build, or another one has removed it
