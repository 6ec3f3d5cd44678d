"""A training step of AASIST beside a plain eager step of the published graph in float32: time and peak memory.

Ours has maps channels last, and no norm whose answer nothing reads; in bfloat16 under autocast, and in float32. Each
variant runs in a process of its own, as peaks of memory would add up; the stock allocator, as training uses it.
Run: `python benchmarks/aasist_training.py [BATCH]`; 8 by default, 24 takes about 20 GB for the published graph.
"""

import multiprocessing
import statistics
import sys
import time

import torch
from torch.nn.functional import cross_entropy

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.bench.aasist_plain import PublishedAasist
from moe_mamba_asv.bench.memory import run_with_peak
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig

STEPS = 5


def measure(variant: str, batch: int) -> tuple[float, float | None]:
    """Median seconds of a step after the first, and the peak of memory in MiB."""
    torch.manual_seed(0)
    model = (PublishedAasist if variant == "published" else Aasist)(AasistConfig()).train()
    optimiser = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], 1e-4, weight_decay=1e-4)
    clips, labels = 0.1 * torch.randn(batch, NUM_SAMPLES), torch.arange(batch) % 2

    def step() -> float:
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=variant == "bfloat16"):
            logits = model(clips).logits
        optimiser.zero_grad()
        cross_entropy(logits.float(), labels).backward()
        optimiser.step()
        return time.perf_counter() - started

    taken, peak_mib = run_with_peak(lambda: [step() for _ in range(STEPS + 1)], "cpu")
    return statistics.median(taken[1:]), peak_mib


def main() -> None:
    """Print a row for each variant."""
    batch = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    print(f"batch {batch}, {torch.get_num_threads()} threads\nvariant | s a step | of published | peak MiB")
    context = multiprocessing.get_context("spawn")
    first = None
    for variant in ("published", "float32", "bfloat16"):
        with context.Pool(1) as pool:
            seconds, peak_mib = pool.apply(measure, (variant, batch))
        first = first or seconds
        print(
            f"{variant} | {seconds:.2f} | {first / seconds:.2f} × as fast | {peak_mib or float('nan'):,.0f}", flush=True
        )


if __name__ == "__main__":
    main()
