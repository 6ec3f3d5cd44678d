"""Finds and loads a compiled kernel, and names the instruction sets that this processor runs."""

import ctypes
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TypeVar

_OUT_OF_MEMORY = 1 << 30  # as in threads.h


class Kernel:
    """A loaded kernel.

    Args:
        path: of the compiled file.
        prefix: that the names of its functions start with.

    Attributes:
        functions: what it exports.
        variants: index by name of each instruction set that runs here, in the kernel's order of preference.
        lanes: numbers side by side in a vector, by name.

    Raises:
        OSError: it does not load.
        AttributeError: it lacks a function.
    """

    def __init__(self, path: Path, prefix: str) -> None:
        self.functions = ctypes.CDLL(str(path))
        name_of, runs_here, lanes_of = (
            getattr(self.functions, f"{prefix}_variant_{what}") for what in ("name", "runs_here", "lanes")
        )
        name_of.restype = ctypes.c_char_p
        self.variants: dict[str, int] = {}
        self.lanes: dict[str, int] = {}
        index = 0
        while (name := name_of(index)) is not None:
            if runs_here(index):
                self.variants[name.decode()] = index
                self.lanes[name.decode()] = lanes_of(index)
            index += 1

    def declare(self, name: str, arguments: type[ctypes.Structure]) -> None:
        """Say that a function takes a structure, the index of a variant and a number of threads, and answers bits."""
        function = getattr(self.functions, name)
        function.argtypes = (ctypes.POINTER(arguments), ctypes.c_int64, ctypes.c_int64)
        function.restype = ctypes.c_int64

    def call(self, name: str, arguments: ctypes.Structure, variant: str, num_threads: int) -> int:
        """Run a declared function.

        Raises:
            MemoryError: no memory for scratch buffers.
        """
        answer = getattr(self.functions, name)(arguments, self.variants[variant], num_threads)
        if answer & _OUT_OF_MEMORY:
            raise MemoryError("a compiled kernel found no memory for its scratch buffers")
        return answer


Found = TypeVar("Found", bound=Kernel)


def find_kernel(folder: Path, kernel: Callable[[Path], Found]) -> Found | str:
    """The kernel that was compiled into a folder, or the reason why there is none.

    Args:
        folder: where installation leaves the compiled file.
        kernel: takes the file's path.
    """
    paths = [folder / f"_kernel{suffix}" for suffix in EXTENSION_SUFFIXES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return "not built: no C compiler was there at installation; install gcc or clang, then this package again"
    try:
        return kernel(path)
    except (OSError, AttributeError) as error:  # an attribute is missing from what an older version has built
        return f"built, but does not load: {error}"
