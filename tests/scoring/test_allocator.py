"""Freed blocks are kept, also those of threads."""

import subprocess
import sys
from pathlib import Path

import pytest

from moe_mamba_asv.scoring.allocator import glibc

# A process of its own, as an allocator is told once and for all.
_WHERE_A_THREAD_ALLOCATES = """
import ctypes, threading
from pathlib import Path
from moe_mamba_asv.scoring.allocator import keep_freed_blocks
{call}
libc, places = ctypes.CDLL(None), []
libc.malloc.restype = ctypes.c_void_p
thread = threading.Thread(target=lambda: places.append(libc.malloc(100_000)))
thread.start()
thread.join()
heap = next(line.split()[0] for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
low, high = (int(end, 16) for end in heap.split("-"))
print(low <= places[0] < high)
"""


@pytest.mark.skipif(glibc() is None or not Path("/proc/self/maps").is_file(), reason="glibc on Linux alone")
@pytest.mark.parametrize(("call", "is_in_heap"), [("keep_freed_blocks()", "True"), ("", "False")])
def test_threads_share_the_one_heap_whose_blocks_are_kept(call: str, is_in_heap: str) -> None:
    script = _WHERE_A_THREAD_ALLOCATES.format(call=call)
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert said.strip() == is_in_heap
