"""AASIST's forward pass beside a plain eager run of the published graph: the same weights, the same allocator.

Run: `python benchmarks/aasist.py`. The published graph computes, in five blocks, a norm whose answer it never reads.
"""

import statistics
import time
from collections.abc import Callable

import torch

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.bench.aasist_plain import both
from moe_mamba_asv.scoring.allocator import keep_freed_blocks

REPEATS = 11


def median_ms(runs: list[Callable[[], object]]) -> list[float]:
    """Medians of `REPEATS` runs each, taken in turns, after one more."""
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(REPEATS + 1):
        for run, taken in zip(runs, times, strict=True):
            started = time.perf_counter()
            run()
            if repeat:
                taken.append(1000 * (time.perf_counter() - started))
    return [statistics.median(taken) for taken in times]


@torch.inference_mode()
def main() -> None:
    """Print a row for each batch size."""
    keep_freed_blocks()
    ours, published = both()
    print("batch | published (ms) | ours (ms) | ratio | largest difference of a score")
    for batch in (1, 8):
        clips = 0.1 * torch.randn(batch, NUM_SAMPLES)
        difference = (ours(clips).score - published(clips).score).abs().max().item()
        slow, fast = median_ms([lambda clips=clips: published(clips), lambda clips=clips: ours(clips)])
        print(f"{batch} | {slow:.0f} | {fast:.0f} | {slow / fast:.2f} | {difference:.1e}")


if __name__ == "__main__":
    main()
