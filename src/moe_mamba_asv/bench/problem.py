"""What is scanned: the same seeded tensors for everyone, and the truth about them in float64."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from moe_mamba_asv.models.scan import selective_scan

#: Takes u, delta, A, B, C and D, answers the output.
Scan = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
#: The arguments of a scan, in the order of the official interface; each has a gradient.
ARGUMENTS = ("u", "delta", "A", "B", "C", "D")
#: What the name of an exact answer begins with in a problem's file: ``truth.out``, ``truth.u`` (gradient of u) …
TRUTH = "truth."


class Size(NamedTuple):
    """How large a scan is."""

    batch: int
    length: int
    channels: int
    states: int


def make_problem(size: Size) -> dict[str, Tensor]:
    """The arguments of a scan as a Mamba block at its initialisation would give them, float32, always the same.

    Returns:
        u, delta: (batch, channels, length); A: (channels, state), about -1 … -state; B, C: (batch, state, length);
        D: (channels,); weights: like u. The gradients are those of ``(out * weights).sum()``.
    """
    batch, length, channels, states = size
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    rates = torch.arange(1, states + 1) * (1 + 0.1 * torch.rand(channels, states, generator=generator))
    return {
        "u": normal(batch, channels, length),
        "delta": torch.nn.functional.softplus(normal(batch, channels, length) - 4),  # about 0.02
        "A": -rates,
        "B": normal(batch, states, length),
        "C": normal(batch, states, length),
        "D": normal(channels),
        "weights": normal(batch, channels, length),
    }


def our_scan(implementation: str) -> Scan:
    """One of our implementations by its name."""
    scan = partial(selective_scan, implementation=implementation)  # pyright: ignore[reportArgumentType]
    return scan  # pyright: ignore[reportReturnType]  (a pair only where the last state is asked for)


def solve(problem: dict[str, Tensor]) -> dict[str, Tensor]:
    """The exact answers in float64: ``out``, and the gradient of each argument under the argument's name."""
    leaves = [problem[name].double().requires_grad_() for name in ARGUMENTS]
    u, delta, A, B, C, D = leaves
    out = our_scan("chunked")(u, delta, A, B, C, D)
    gradients = torch.autograd.grad(out, leaves, problem["weights"].double())
    return {"out": out.detach(), **dict(zip(ARGUMENTS, gradients, strict=True))}


def write_problem(size: Size, path: Path) -> None:
    """Write the arguments, the weights and the truth (its names begin with `TRUTH`) to one safetensors file."""
    problem = make_problem(size)
    truth = {TRUTH + name: tensor.contiguous() for name, tensor in solve(problem).items()}
    save_file({**problem, **truth}, path)


def max_relative_error(found: dict[str, Tensor], truth: dict[str, Tensor]) -> float:
    """The largest of ``max|found - truth| / max|truth|`` over the tensors of ``found``; NaN where any is NaN."""
    errors = [(tensor.double() - truth[name]).abs().max() / truth[name].abs().max() for name, tensor in found.items()]
    return float(torch.stack(errors).max())
