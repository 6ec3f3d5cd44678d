"""How fast a recipe trains here, and how long it waits for its data: a short run, thrown away afterwards."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from moe_mamba_asv.bench.memory import run_with_peak
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.train import train
from moe_mamba_asv.types import Corpus

#: Dev clips of each class that the run ends with; their scoring is not part of the figures.
_DEV_CLIPS = 4


@dataclass(frozen=True)
class Throughput:
    """What a short run measured, its first step left out.

    Attributes:
        steps: that were timed.
        steps_per_s: of the whole loop.
        clips_per_s: likewise.
        waiting: share of the time in which the model had no data.
        peak_mib: memory beyond what was held before; None where the system does not tell.
    """

    steps: int
    steps_per_s: float
    clips_per_s: float
    waiting: float
    peak_mib: float | None


def bench_train(run: Run, steps: int, on_step: Callable[[int], None] = lambda step: None) -> Throughput:
    """Train for some steps after one more, and throw the result away; the cache of decoded clips stays.

    Args:
        run: what to train; its folder and its number of steps are of no interest.
        steps: to be timed.
        on_step: told after each step how many are done.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        short = replace(run, out=out, max_steps=steps + 1, dev=tuple(map(_few, run.dev)), loggers=())
        device = "cpu" if run.accelerator == "cpu" or not _has_cuda() else "cuda"
        _, peak_mib = run_with_peak(lambda: train(short, report=lambda step, total, dev_eer: on_step(step)), device)
        timed = pl.read_csv(out / "steps.csv")[1:]
    seconds, waited_s = (float(timed[name].to_numpy().sum()) for name in ("step_s", "waited_s"))
    return Throughput(
        steps=len(timed),
        steps_per_s=len(timed) / seconds,
        clips_per_s=len(timed) * run.recipe.training.batch_size / seconds,
        waiting=waited_s / seconds,
        peak_mib=peak_mib,
    )


def _few(corpus: Corpus) -> Corpus:
    table = corpus.table.group_by("label", maintain_order=True).head(_DEV_CLIPS)
    return replace(corpus, table=table.select(corpus.table.columns))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
