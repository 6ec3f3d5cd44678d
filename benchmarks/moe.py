"""What does choosing cost? Eight experts of which two serve a frame, beside two experts that serve every frame.

Equal arithmetic in the experts: what is more is the router, and carrying frames to their experts and back. Forward and
backward, the load-balance loss included, in rounds that take turns, so that a busy moment strikes both.
Run: `python benchmarks/moe.py`.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.backends.moe import MixtureOfExperts, MoeConfig

BATCH, FRAMES, WIDTH = 12, 201, 144
CONFIG = MoeConfig(num_experts=8, top_k=2)
ROUNDS = 31


def main() -> None:
    """Print both medians and their ratio."""
    mixture = MixtureOfExperts(WIDTH, CONFIG)
    # Fresh experts of the same size: each gets all of the frames.
    dense = nn.ModuleList(MixtureOfExperts(WIDTH, CONFIG).experts[: CONFIG.top_k])
    frames = torch.randn(BATCH, FRAMES, WIDTH, requires_grad=True)
    towards = torch.randn(BATCH, FRAMES, WIDTH)

    def sparse_step() -> None:
        answer, router = mixture(frames)
        _descend((answer * towards).sum() + router.load_balance_loss, frames, mixture)

    def dense_step() -> None:
        answer = torch.stack([expert(frames) for expert in dense]).sum(0)
        _descend((answer * towards).sum(), frames, dense)

    sparse_ms, dense_ms = medians_ms(sparse_step, dense_step)
    print(f"sparse, 2 of {CONFIG.num_experts}: {sparse_ms:.1f} ms")
    print(f"dense, {CONFIG.top_k} of {CONFIG.top_k}: {dense_ms:.1f} ms")
    print(f"ratio: {sparse_ms / dense_ms:.2f}")


def _descend(loss: Tensor, frames: Tensor, model: nn.Module) -> None:
    torch.autograd.grad(loss, (frames, *model.parameters()))


def medians_ms(*steps: Callable[[], None]) -> list[float]:
    """Median of each over `ROUNDS` rounds, after two more."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(ROUNDS + 2):
        for step, found in zip(steps, times, strict=True):
            started = time.perf_counter()
            step()
            found.append(1000 * (time.perf_counter() - started))
    return [statistics.median(found[2:]) for found in times]


if __name__ == "__main__":
    main()
