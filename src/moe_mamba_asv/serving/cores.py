"""Who computes on how many cores: passes through models that run at once share them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Cores:
    """The cores that PyTorch may use, shared among the passes under way.

    One pass on all cores waits at each of its operations for the slowest, and on a busy machine one always is slow: two
    passes on half of them each get more done. A pass that is alone has them all.
    """

    def __init__(self) -> None:
        self._total, self._passes = torch.get_num_threads(), 0
        self._lock = threading.Lock()

    @contextmanager
    def share(self) -> Iterator[int]:
        """This thread's share for one pass, as PyTorch is told."""
        with self._lock:
            self._passes += 1
            mine = max(1, self._total // self._passes)
        try:
            torch.set_num_threads(mine)
            yield mine
        finally:
            with self._lock:
                self._passes -= 1
