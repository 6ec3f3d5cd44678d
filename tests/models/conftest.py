"""What several tests of models need."""

from collections.abc import Callable
from pathlib import Path

import pytest

Tiny = Callable[[str], Path]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Folder of a tiny self-supervised model of one kind, written once."""
    from tiny_ssl import save_tiny  # imports transformers, which takes seconds

    folders: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = save_tiny(tmp_path_factory.mktemp(kind), kind)
        return folders[kind]

    return folder
