"""AASIST's forward pass beside a plain eager run of the published graph: the same weights, the same allocator.

Run: `python benchmarks/aasist.py`. The published graph computes, in five blocks, a norm whose answer it never reads.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, selu

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.models.aasist.encoder import ResidualBlock
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig
from moe_mamba_asv.scoring.allocator import keep_freed_blocks

REPEATS = 11


class PublishedBlock(ResidualBlock):
    """The published order of operations: a first norm and SELU whose answer nothing reads, and nothing folded."""

    def forward(self, maps: Tensor) -> Tensor:
        """See `ResidualBlock`."""
        if hasattr(self, "norm1"):
            selu(self.norm1(maps), inplace=True)
        inner = selu(self.norm2(self.conv1(maps)), inplace=True)
        return self.pool(self.conv2(inner) + self.shortcut(maps))


class PublishedAasist(Aasist):
    """The same, as published: maps laid out channels first."""

    def __init__(self, config: AasistConfig) -> None:
        super().__init__(config)
        for block in self.encoder:
            block.__class__ = PublishedBlock

    def _encode(self, waveforms: Tensor) -> Tensor:
        maps = max_pool2d(self.sinc_bank(waveforms).unsqueeze(1).abs(), 3)
        return self.encoder(selu(self.stem_norm(maps), inplace=True))


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
    torch.manual_seed(0)
    ours = Aasist(AasistConfig()).eval()
    published = PublishedAasist(AasistConfig()).eval()
    published.load_state_dict(ours.state_dict())
    print("batch | published (ms) | ours (ms) | ratio | largest difference of a score")
    for batch in (1, 8):
        clips = 0.1 * torch.randn(batch, NUM_SAMPLES)
        difference = (ours(clips).score - published(clips).score).abs().max().item()
        slow, fast = median_ms([lambda clips=clips: published(clips), lambda clips=clips: ours(clips)])
        print(f"{batch} | {slow:.0f} | {fast:.0f} | {slow / fast:.2f} | {difference:.1e}")


if __name__ == "__main__":
    main()
