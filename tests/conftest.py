"""Fixtures that more than one test file needs."""

import os
from pathlib import Path

import pytest

# As many workers as cores run the tests: a second thread in each would only wait for the others. Said before PyTorch
# is imported, which reads it then; commands that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data folder; a test that asks for it is marked `shared` and skipped where it is absent."""
    folder = Path(os.environ.get("MMA_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder} (set MMA_SHARED to the folder that holds data/)")
    return folder
