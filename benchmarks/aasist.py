"""AASIST's forward pass beside a plain eager run of the published graph: the same weights, the same allocator.

Run: `python benchmarks/aasist.py`. The plain run is the graph as it was published, maps laid out channels first.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.bench.memory import keep_freed_blocks
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig

REPEATS = 11


class PlainAasist(Aasist):
    """The same, without our layout of memory."""

    def _encode(self, waveforms: Tensor) -> Tensor:
        maps = torch.nn.functional.max_pool2d(self.sinc_bank(waveforms).unsqueeze(1).abs(), 3)
        return self.encoder(torch.nn.functional.selu(self.stem_norm(maps), inplace=True))


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
    plain = PlainAasist(AasistConfig()).eval()
    plain.load_state_dict(ours.state_dict())
    print("batch | plain (ms) | ours (ms) | ratio | largest difference of a score")
    for batch in (1, 8):
        clips = 0.1 * torch.randn(batch, NUM_SAMPLES)
        difference = (ours(clips).score - plain(clips).score).abs().max().item()
        slow, fast = median_ms([lambda clips=clips: plain(clips), lambda clips=clips: ours(clips)])
        print(f"{batch} | {slow:.0f} | {fast:.0f} | {slow / fast:.2f} | {difference:.1e}")


if __name__ == "__main__":
    main()
