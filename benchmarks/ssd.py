"""Would a Mamba-2 mixer be worth having on a CPU? Its scan (SSD) by matrix products, beside our Mamba-1 scan.

Another operator, with one rate for each head of channels in place of one for each channel and state; what is compared
is time at equal sizes. Run: `python benchmarks/ssd.py`.

Source: Dao and Gu, "Transformers are SSMs", 2024, section 6: inside a chunk the scan is an attention with decays, and
states pass between chunks.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from moe_mamba_asv.models.scan import selective_scan

SIZES = ((8, 200, 288, 16), (8, 1000, 512, 16), (2, 4000, 512, 16))
HEAD_WIDTH = 32
CHUNK = 64
REPEATS = 9


def ssd(x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """y of h_t = exp(log_decay_t) h_{t-1} + B_t x_t, y_t = C_t h_t.

    Args:
        x: (batch, length, heads, head width), already times delta; the length is a multiple of `CHUNK`.
        log_decay: (batch, length, heads), at most 0.
        B, C: (batch, length, state).
    """
    x, log_decay, B, C = (tensor.unflatten(1, (-1, CHUNK)) for tensor in (x, log_decay, B, C))
    sums = log_decay.cumsum(2)  # (batch, chunks, CHUNK, heads)
    lower = torch.ones(CHUNK, CHUNK, dtype=torch.bool).tril()
    between = (sums[:, :, :, None] - sums[:, :, None]).masked_fill(~lower[..., None], -torch.inf).exp()
    scores = torch.einsum("bktn,bksn->bkts", C, B)
    inside = torch.einsum("bktsh,bkshp->bkthp", scores[..., None] * between, x)
    to_end = (sums[:, :, -1:] - sums).exp()
    added = torch.einsum("bksn,bkshp->bkhpn", B, x * to_end[..., None])
    whole = sums[:, :, -1].exp()[..., None, None]
    states, h = [], torch.zeros_like(added[:, 0])
    for chunk in range(x.shape[1]):
        states.append(h)
        h = whole[:, chunk] * h + added[:, chunk]
    carried = torch.einsum("bktn,bkhpn->bkthp", C, torch.stack(states, 1)) * sums.exp()[..., None]
    return (inside + carried).flatten(1, 2)


def median_ms(run: Callable[[], object]) -> float:
    """Median of `REPEATS` runs after one more."""
    run()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def check() -> None:
    """The chunked form is the recurrence."""
    x, log_decay = torch.randn(1, 2 * CHUNK, 2, 3).double(), -torch.rand(1, 2 * CHUNK, 2).double()
    B, C = torch.randn(2, 1, 2 * CHUNK, 4).double()
    h, rows = torch.zeros(1, 2, 3, 4).double(), []
    for t in range(2 * CHUNK):
        h = log_decay[:, t].exp()[..., None, None] * h + x[:, t, ..., None] * B[:, t, None, None]
        rows.append((h * C[:, t, None, None]).sum(-1))
    torch.testing.assert_close(ssd(x, log_decay, B, C), torch.stack(rows, 1))


def main() -> None:
    """Print a row for each size."""
    check()
    print("size | SSD forward, forward+backward (ms) | native Mamba-1 scan (ms)")
    for batch, length, channels, state in SIZES:
        padded, heads = -(-length // CHUNK) * CHUNK, channels // HEAD_WIDTH
        x = torch.randn(batch, padded, heads, HEAD_WIDTH, requires_grad=True)
        decay = (-0.1 * torch.rand(batch, padded, heads)).requires_grad_()
        u = torch.randn(batch, length, channels).mT.requires_grad_()
        delta = (0.1 * torch.rand(batch, length, channels)).mT.requires_grad_()
        A = -torch.arange(1.0, state + 1).repeat(channels, 1).requires_grad_()
        figures = []
        for function, tensors, steps in ((ssd, (x, decay), padded), (selective_scan, (u, delta, A), length)):
            B, C = (torch.randn(batch, steps, state, requires_grad=True) for _ in range(2))
            matrices = (B, C) if function is ssd else (B.mT, C.mT)

            def forward(function=function, tensors=tensors, matrices=matrices) -> None:
                with torch.inference_mode():
                    function(*tensors, *matrices)

            def both(function=function, tensors=tensors, matrices=matrices, leaves=(B, C)) -> None:
                torch.autograd.grad(function(*tensors, *matrices).sum(), (*tensors, *leaves))

            figures += [f"{median_ms(forward):.2f}, {median_ms(both):.2f}"]
        print((batch, length, channels, state), *figures, sep=" | ")


if __name__ == "__main__":
    main()
