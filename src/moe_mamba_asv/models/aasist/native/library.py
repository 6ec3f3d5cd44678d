"""Finds and loads the compiled kernel; what it takes, field by field."""

import ctypes
from functools import cache
from pathlib import Path

from moe_mamba_asv.models.native.library import Kernel, find_kernel


class Stem(ctypes.Structure):
    """`Stem` of arguments.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batches", "samples", "bands", "half")),
        *((name, ctypes.c_void_p) for name in ("waveforms", "filters")),
        *((name, ctypes.c_float) for name in ("scale", "shift")),
        ("out", ctypes.c_void_p),
    )


class Block(ctypes.Structure):
    """`Block` of arguments.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batches", "bands", "frames", "in_channels", "out_channels")),
        *((name, ctypes.c_void_p) for name in ("maps", "first", "first_bias", "second", "second_bias")),
        *((name, ctypes.c_void_p) for name in ("shortcut", "pooled")),
        *((name, ctypes.c_int64) for name in ("chunks", "segments")),
    )


class Library(Kernel):
    """The loaded kernel."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "aasist")
        self.declare("aasist_stem", Stem)
        self.declare("aasist_block", Block)

    def columns(self, variant: str) -> int:
        """Channels of a panel of weights, as in kernel.h."""
        return 2 * self.lanes[variant]


@cache
def find_library() -> Library | str:
    """The kernel, or the reason why there is none."""
    return find_kernel(Path(__file__).parent, Library)
