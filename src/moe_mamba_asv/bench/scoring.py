"""How many clips a second AASIST scores: as `mma score` runs it, beside the published graph as anybody would run it.

Each runs in a process of its own, as the memory allocator is one for a whole process: ours keeps freed blocks, the
other is left as it is. They take turns, so that a busy machine is busy for both.
"""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

Contender = Literal["ours", "published"]
CONTENDERS: tuple[Contender, ...] = ("ours", "published")


@dataclass(frozen=True)
class ScoringRow:
    """One contender at one batch size.

    Attributes:
        contender: who.
        batch: clips a forward pass.
        clips_per_s: median of the repeats.
        peak_mib: largest resident memory of its process so far, all of it.
        difference: of a score, to the other's, at most.
    """

    contender: Contender
    batch: int
    clips_per_s: float
    peak_mib: float
    difference: float


@dataclass(frozen=True)
class ScoringResult:
    """All rows, and what they come to.

    Attributes:
        rows: by batch size, ours first.
        ratio: our most clips a second over the published graph's most.
        memory_ratio: our peak over its.
    """

    rows: tuple[ScoringRow, ...]
    ratio: float
    memory_ratio: float


def bench_scoring(
    batches: Sequence[int], *, repeats: int, threads: int, on_run: Callable[[], None] = lambda: None
) -> ScoringResult:
    """Measure; the two have the same weights and hear the same clips.

    Args:
        batches: batch sizes, ascending: the peak of a process never falls.
        repeats: timed runs of each, after one more.
        threads: of PyTorch.
        on_run: told of every run.
    """
    context = multiprocessing.get_context("spawn")
    pools: dict[Contender, ProcessPoolExecutor] = {
        name: ProcessPoolExecutor(1, mp_context=context, initializer=_prepare, initargs=(name, threads))
        for name in CONTENDERS
    }
    rows: list[ScoringRow] = []
    try:
        for batch in batches:
            runs: dict[Contender, list[_Run]] = {name: [] for name in CONTENDERS}
            for _ in range(repeats + 1):
                for name, pool in pools.items():
                    runs[name].append(pool.submit(_score, batch).result())
                    on_run()
            ours, published = (runs[name][-1].scores for name in CONTENDERS)
            difference = max(abs(a - b) for a, b in zip(ours, published, strict=True))
            rows += [_row(name, batch, found, difference) for name, found in runs.items()]
    finally:
        for pool in pools.values():
            pool.shutdown(cancel_futures=True)
    best = {name: max(row.clips_per_s for row in rows if row.contender == name) for name in CONTENDERS}
    peak = {name: max(row.peak_mib for row in rows if row.contender == name) for name in CONTENDERS}
    return ScoringResult(tuple(rows), best["ours"] / best["published"], peak["ours"] / peak["published"])


@dataclass(frozen=True)
class _Run:
    seconds: float
    scores: list[float]
    peak_mib: float


def _row(name: Contender, batch: int, runs: list[_Run], difference: float) -> ScoringRow:
    seconds = statistics.median(run.seconds for run in runs[1:])
    return ScoringRow(name, batch, batch / seconds, runs[-1].peak_mib, difference)


def _prepare(name: Contender, threads: int) -> None:
    """In a process of its own: build the model, once."""
    global _model
    import torch

    from moe_mamba_asv.bench.aasist_plain import both
    from moe_mamba_asv.scoring.allocator import keep_freed_blocks

    torch.set_num_threads(threads)
    if name == "ours":
        keep_freed_blocks()
    _model = dict(zip(CONTENDERS, both(), strict=True))[name]


def _score(batch: int) -> _Run:
    import resource

    import torch

    from moe_mamba_asv.audio.crop import NUM_SAMPLES

    clips = 0.1 * torch.randn(batch, NUM_SAMPLES, generator=torch.Generator().manual_seed(batch))
    with torch.inference_mode():
        started = time.perf_counter()
        scores = _model(clips).score.tolist()
        seconds = time.perf_counter() - started
    return _Run(seconds, scores, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
