"""What the memory allocator does with freed blocks, which decides the speed of large models on a CPU."""

import ctypes
import sys

# Names and numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def keep_freed_blocks() -> bool:
    """Tell glibc to keep freed blocks for the next request, instead of handing them back to the system.

    The first touch of a fresh page costs more than the arithmetic on it: AASIST scores several times as fast. The
    process then holds as much memory as it ever needed at once, so this is for a command, not for a library, and not
    for training, whose peak it doubles.

    Returns:
        Whether this process uses glibc; elsewhere nothing is changed.
    """
    libc = glibc()
    if libc is None:
        return False
    libc.mallopt(_M_MMAP_MAX, 0)
    libc.mallopt(_M_TRIM_THRESHOLD, -1)  # -1 is the largest threshold: never
    # What other threads would have for themselves consists of pieces of 64 MiB that are handed back all the same.
    libc.mallopt(_M_ARENA_MAX, 1)
    return True


def glibc() -> ctypes.CDLL | None:
    """The C library of this process, where it is glibc."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
