"""AASIST's forward pass beside a plain eager run of the published graph: the same weights, the same allocator.

Run: `python benchmarks/aasist.py`. The published graph computes, in five blocks, a norm whose answer it never reads.
"""

import torch
from turns import medians_s

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.bench.aasist_plain import both
from moe_mamba_asv.scoring.allocator import keep_freed_blocks

REPEATS = 11


@torch.inference_mode()
def main() -> None:
    """Print a row for each batch size."""
    keep_freed_blocks()
    ours, published = both()
    print("batch | published (ms) | ours (ms) | ratio | largest difference of a score")
    for batch in (1, 8):
        clips = 0.1 * torch.randn(batch, NUM_SAMPLES)
        difference = (ours(clips).score - published(clips).score).abs().max().item()
        slow, fast = medians_s([lambda clips=clips: published(clips), lambda clips=clips: ours(clips)], REPEATS)
        print(f"{batch} | {1000 * slow:.0f} | {1000 * fast:.0f} | {slow / fast:.2f} | {difference:.1e}")


if __name__ == "__main__":
    main()
