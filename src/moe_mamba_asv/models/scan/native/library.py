"""Finds and loads the compiled kernel, and names the instruction sets that this processor runs."""

import ctypes
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

from moe_mamba_asv.errors import ScanError
from moe_mamba_asv.models.scan.inputs import CHUNK

_FOLDER = Path(__file__).parent

#: Codes of element types, as in arguments.h.
FLOAT32, BFLOAT16, FLOAT64 = 0, 1, 2

#: Bits of a forward pass's answer, as in arguments.h, and the inputs that they accuse.
BAD_INPUTS = {1: "u", 2: "delta", 4: "A", 8: "B", 16: "C", 32: "D", 64: "z", 128: "delta_bias", 256: "initial_state"}
OUT_OF_MEMORY = 1 << 30


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


class Library:
    """The loaded kernel.

    Attributes:
        variants: index by name of each instruction set that runs here, the best first; ``double`` last.
        lanes: channels side by side, by name.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        for name in ("scan_forward", "scan_backward"):
            function = getattr(self._library, name)
            function.argtypes = (ctypes.POINTER(Arguments), ctypes.c_int64, ctypes.c_int64)
            function.restype = ctypes.c_int64
        self._library.scan_variant_name.restype = ctypes.c_char_p
        self._library.scan_prefer_large_pages.argtypes = (ctypes.c_void_p, ctypes.c_int64)
        self._library.scan_prefer_large_pages.restype = None
        if self._library.scan_chunk() != CHUNK:
            raise OSError(f"the kernel keeps a state every {self._library.scan_chunk()} steps, not every {CHUNK}")
        self.variants: dict[str, int] = {}
        self.lanes: dict[str, int] = {}
        index = 0
        while (name := self._library.scan_variant_name(index)) is not None:
            if self._library.scan_variant_runs_here(index):
                self.variants[name.decode()] = index
                self.lanes[name.decode()] = self._library.scan_variant_lanes(index)
            index += 1

    def forward(self, arguments: Arguments, variant: str, num_threads: int) -> int:
        """Run a forward pass; the bits of the answer are in `BAD_INPUTS`."""
        return self._checked(self._library.scan_forward(arguments, self.variants[variant], num_threads))

    def backward(self, arguments: Arguments, variant: str, num_threads: int) -> None:
        """Run a backward pass."""
        self._checked(self._library.scan_backward(arguments, self.variants[variant], num_threads))

    def prefer_large_pages(self, address: int, num_bytes: int) -> None:
        """Hint that memory which nobody has touched yet is to lie in large pages."""
        self._library.scan_prefer_large_pages(address, num_bytes)

    @staticmethod
    def _checked(answer: int) -> int:
        if answer & OUT_OF_MEMORY:
            raise MemoryError("the scan kernel found no memory for its scratch buffers")
        return answer


@cache
def find_library() -> Library | str:
    """The kernel, or the reason why there is none."""
    paths = [_FOLDER / f"_kernel{suffix}" for suffix in EXTENSION_SUFFIXES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return "not built: no C compiler was there at installation; install gcc or clang, then this package again"
    try:
        return Library(path)
    except (OSError, AttributeError) as error:  # an attribute is missing from what an older version has built
        return f"built, but does not load: {error}"


def library() -> Library:
    """The kernel.

    Raises:
        ScanError: it is not there; the message says why.
    """
    found = find_library()
    if isinstance(found, str):
        raise ScanError(f"the native scan is {found}", remedy="the implementation 'chunked', which needs no compiler")
    return found
