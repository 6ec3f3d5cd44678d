"""What several tests of models need."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

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


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of PyTorch's threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
