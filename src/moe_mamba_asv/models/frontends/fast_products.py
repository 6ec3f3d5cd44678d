"""Float32 matrix products on a CPU through oneDNN in place of MKL, at the same accuracy.

PyTorch holds both libraries and gives float32 products to MKL, which is the slower on processors of other makers than
Intel: on an AMD EPYC, oneDNN was 1.15 to 1.4 times as fast. The one public way to oneDNN is the precision "medium".
That setting also *allows* products rounded to bfloat16, and a processor with matrix instructions for bfloat16 (AMX)
would take the offer, so it is used only where a test product comes out at full float32 accuracy.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

#: Relative error of the test product that still is float32: about 3e-7 in either library, 2e-3 in bfloat16.
_FLOAT32_ERROR = 1e-6


class _Medium:
    """The setting "medium", which belongs to the process: the last thread out puts the old one back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.num_inside = 0
        self.before = ""

    def __enter__(self) -> None:
        with self.lock:
            if self.num_inside == 0:
                self.before = torch.get_float32_matmul_precision()
                torch.set_float32_matmul_precision("medium")
            self.num_inside += 1

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            self.num_inside -= 1
            if self.num_inside == 0:
                torch.set_float32_matmul_precision(self.before)


_medium = _Medium()


@functools.cache
def medium_is_float32() -> bool:
    """Whether this processor keeps float32 accuracy under the setting "medium"; measured once."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, generator=generator, device="cpu") for size in ((256, 1024), (1024, 512)))
    exact = left.double() @ right.double()
    with torch.no_grad(), _medium:
        error = (left @ right).double() - exact
    return bool(error.norm() <= _FLOAT32_ERROR * exact.norm())


@contextmanager
def fast_products(device: torch.device) -> Iterator[None]:
    """In this block, float32 matrix products on a CPU go through oneDNN where that costs no accuracy.

    Args:
        device: where the products are; nothing changes for one that is not a CPU, nor while a graph is traced.
    """
    if device.type != "cpu" or torch.compiler.is_compiling() or not medium_is_float32():
        yield
        return
    with _medium:
        yield
