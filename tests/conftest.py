"""Fixtures that more than one test file needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data folder; a test that asks for it is marked `shared` and skipped where it is absent."""
    folder = Path(os.environ.get("MMA_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder} (set MMA_SHARED to the folder that holds data/)")
    return folder
