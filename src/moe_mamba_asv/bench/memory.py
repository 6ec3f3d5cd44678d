"""Memory of this process: how much a call needs at its peak."""

import gc
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from moe_mamba_asv.scoring.allocator import glibc

Result = TypeVar("Result")

_CLEAR_REFS = Path("/proc/self/clear_refs")


def give_back_memory() -> None:
    """Collect garbage and hand freed blocks back to the system, whatever the allocator would do by itself."""
    gc.collect()
    libc = glibc()
    if libc is not None:
        libc.malloc_trim(0)


def run_with_peak(run: Callable[[], Result], device: str) -> tuple[Result, float | None]:
    """Run once and see how far memory rises above what was held before.

    Returns:
        What ``run`` answers, and the rise in MiB: of allocated GPU memory on cuda, else of the resident memory of this
        process; None where the system does not tell.
    """
    give_back_memory()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = run()
        torch.cuda.synchronize()
        return result, (torch.cuda.max_memory_allocated() - before) / 2**20
    if not os.access(_CLEAR_REFS, os.W_OK):
        return run(), None
    _CLEAR_REFS.write_text("5")  # sets the high-water mark back to what is resident now (man 5 proc)
    before = _status_mib("VmRSS")
    result = run()
    after = _status_mib("VmHWM")
    return result, None if before is None or after is None else after - before


def _status_mib(key: str) -> float | None:
    """One figure of a line such as ``VmHWM:      9792 kB``; None where the system does not tell."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else None
