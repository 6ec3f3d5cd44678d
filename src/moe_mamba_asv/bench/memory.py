"""Memory of this process: how much a call needs at its peak, and whether the allocator keeps what was freed."""

import ctypes
import gc
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from moe_mamba_asv.errors import ConfigError

Result = TypeVar("Result")

# Names and numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_CLEAR_REFS = Path("/proc/self/clear_refs")


def keep_freed_blocks() -> None:
    """Tell glibc to keep freed blocks for the next request, instead of handing them back to the system.

    The first touch of a fresh page costs more than the arithmetic on it, so a ratio of times says which allocator it
    was taken with.

    Raises:
        ConfigError: this process does not use glibc.
    """
    libc = _glibc()
    if libc is None:
        raise ConfigError(f"no glibc on {sys.platform}", wanted="glibc, for the allocator that keeps blocks")
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, -1)  # -1 is the largest threshold: never


def give_back_memory() -> None:
    """Collect garbage and hand freed blocks back to the system, whatever the allocator would do by itself."""
    gc.collect()
    libc = _glibc()
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


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
