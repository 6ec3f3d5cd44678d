"""Whether a faster kernel may stand in for PyTorch's, and which instruction set then serves."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.jit import is_tracing  # pyright: ignore[reportPrivateImportUsage]
from torch.utils._python_dispatch import _get_current_dispatch_mode

from moe_mamba_asv.models.native.library import Kernel

#: The instruction set that was asked for; "" for the best, None for none.
_wanted: ContextVar[str | None] = ContextVar("wanted", default="")

Found = TypeVar("Found", bound=Kernel)


@contextmanager
def kernel_variant(name: str | None) -> Iterator[None]:
    """Inside, let this instruction set serve, or with None PyTorch as it comes: for tests and comparisons."""
    token = _wanted.set(name)
    try:
        yield
    finally:
        _wanted.reset(token)


def serving(library: Found | str) -> tuple[Found, str] | None:
    """The kernel and the name of the instruction set, or None where PyTorch must serve."""
    wanted = _wanted.get()
    if isinstance(library, str) or wanted is None:
        return None
    return library, wanted or next(iter(library.variants))


def may_stand_in(tensor: Tensor, *modules: nn.Module) -> bool:
    """Whether modules need keep nothing for a gradient, nobody looks on, and all tensors are plain float32 on a CPU."""
    if _wanted.get() is None or torch.compiler.is_compiling() or is_tracing():
        return False
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    parts = [part for module in modules for part in module.modules()]
    tensors = (tensor, *(t for module in modules for t in (*module.parameters(), *module.buffers())))
    return (
        _get_current_dispatch_mode() is None
        and not any(part.training or part._forward_hooks or part._forward_pre_hooks for part in parts)
        and all(type(t) in (Tensor, nn.Parameter) and t.device.type == "cpu" for t in tensors)
        and all(t.dtype == torch.float32 for t in tensors if t.dtype != torch.int64)  # norms count their batches
        and tensor.numel() > 0
    )
