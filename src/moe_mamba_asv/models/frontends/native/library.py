"""Finds and loads the compiled kernel; what it takes, field by field."""

import ctypes
from functools import cache
from pathlib import Path

from moe_mamba_asv.models.native.library import Kernel, find_kernel


class Positions(ctypes.Structure):
    """`Positions` of arguments.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batches", "tiles", "groups", "width", "fours")),
        *((name, ctypes.c_void_p) for name in ("values", "weight", "to_points", "out")),
    )


class Convolution(ctypes.Structure):
    """`Convolution` of arguments.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batches", "in_frames", "in_channels", "frames", "channels")),
        *((name, ctypes.c_int64) for name in ("kernel", "stride")),
        *((name, ctypes.c_void_p) for name in ("inputs", "weight", "bias", "scale", "shift")),
        ("eps", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("packed", "out")),
    )


class Attention(ctypes.Structure):
    """`Attention` of arguments.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batches", "frames", "heads", "width")),
        *((name, ctypes.c_void_p) for name in ("query", "key", "value", "gate", "bias", "out")),
        ("parts", ctypes.c_int64),
    )


class Library(Kernel):
    """The loaded kernel."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "encoder")
        self.declare("encoder_positions", Positions)
        self.declare("encoder_convolution", Convolution)
        self.declare("encoder_attention", Attention)
        self.functions.encoder_convolution_room.argtypes = (ctypes.POINTER(Convolution), ctypes.c_int64)
        self.functions.encoder_convolution_room.restype = ctypes.c_int64

    def convolution_room(self, arguments: Convolution, variant: str) -> int:
        """Numbers that the weights of a convolution take as the kernel wants them."""
        return self.functions.encoder_convolution_room(arguments, self.variants[variant])


@cache
def find_library() -> Library | str:
    """The kernel, or the reason why there is none."""
    return find_kernel(Path(__file__).parent, Library)
