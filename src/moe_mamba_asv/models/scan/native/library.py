"""Finds and loads the compiled kernel, and names the instruction sets that this processor runs."""

import ctypes
from functools import cache
from pathlib import Path

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.native.library import Kernel, find_kernel
from moe_mamba_asv.models.scan.inputs import CHUNK

#: Codes of element types, as in arguments.h.
FLOAT32, BFLOAT16, FLOAT64 = 0, 1, 2

#: Bits of a forward pass's answer, as in arguments.h, and the inputs that they accuse.
BAD_INPUTS = {1: "u", 2: "delta", 4: "A", 8: "B", 16: "C", 32: "D", 64: "z", 128: "delta_bias", 256: "initial_state"}


class StridedTensor(ctypes.Structure):
    """`Tensor` of arguments.h."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("type", "batch", "row", "state", "step")),
    )


class Arguments(ctypes.Structure):
    """`Arguments` of arguments.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("batches", "channels", "length", "states", "groups", "segments")),
        ("delta_softplus", ctypes.c_int64),
        ("lengths", ctypes.c_void_p),
        *((name, StridedTensor) for name in ("u", "delta", "z", "B", "C")),
        *((name, ctypes.c_void_p) for name in ("A", "D", "delta_bias", "initial_state", "kept")),
        ("out", StridedTensor),
        ("last_state", ctypes.c_void_p),
        *((name, StridedTensor) for name in ("grad_out", "grad_u", "grad_delta", "grad_z")),
        *((name, ctypes.c_void_p) for name in ("grad_last_state", "grad_initial_state")),
        *((name, ctypes.c_void_p) for name in ("grad_A", "grad_D", "grad_delta_bias", "grad_B", "grad_C")),
    )


class Library(Kernel):
    """The loaded kernel; among its variants, ``double`` comes last."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "scan")
        for name in ("scan_forward", "scan_backward"):
            self.declare(name, Arguments)
        self.functions.scan_prefer_large_pages.argtypes = (ctypes.c_void_p, ctypes.c_int64)
        self.functions.scan_prefer_large_pages.restype = None
        if self.functions.scan_chunk() != CHUNK:
            raise OSError(f"the kernel keeps a state every {self.functions.scan_chunk()} steps, not every {CHUNK}")

    def forward(self, arguments: Arguments, variant: str, num_threads: int) -> int:
        """Run a forward pass; the bits of the answer are in `BAD_INPUTS`."""
        return self.call("scan_forward", arguments, variant, num_threads)

    def backward(self, arguments: Arguments, variant: str, num_threads: int) -> None:
        """Run a backward pass."""
        self.call("scan_backward", arguments, variant, num_threads)

    def prefer_large_pages(self, address: int, num_bytes: int) -> None:
        """Hint that memory which nobody has touched yet is to lie in large pages."""
        self.functions.scan_prefer_large_pages(address, num_bytes)


@cache
def find_library() -> Library | str:
    """The kernel, or the reason why there is none."""
    return find_kernel(Path(__file__).parent, Library)


def library() -> Library:
    """The kernel.

    Raises:
        ScanError: it is not there; the message says why.
    """
    found = find_library()
    if isinstance(found, str):
        raise ScanError(f"the native scan is {found}", remedy="the implementation 'chunked', which needs no compiler")
    return found
