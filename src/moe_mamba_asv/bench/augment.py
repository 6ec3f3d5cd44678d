"""What augmentation costs a clip, ours beside the published form where there is one, on one thread."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from timeit import timeit

import numpy as np
import torch
from torch import Tensor

from moe_mamba_asv.audio.augment.rawboost import RawBoost
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.bench.rawboost_plain import plain_rawboost
from moe_mamba_asv.training.data.rawboost_batch import draw_batch, rawboost_batch

#: Of one form in a round: a single one would mostly measure the caches that another form left.
_CALLS = 3


@dataclass(frozen=True)
class AugmentPlan:
    """How to measure.

    Attributes:
        num_samples: of a clip at 16 kHz.
        repeats: timed rounds, at least one, after one more; in each, everyone runs a few times.
        batch: clips of the batch path.
    """

    num_samples: int = 64_600
    repeats: int = 20
    batch: int = 8


@dataclass(frozen=True)
class AugmentRow:
    """Medians of one transform, drawing included; None where there is no such form.

    Attributes:
        name: of the transform.
        ms: milliseconds a clip.
        plain_ms: of the published form.
        ratio: how many times faster ours is.
        batch_ms: milliseconds a clip of the batch path in PyTorch.
        batch_ratio: how many times faster that is than the published form.
    """

    name: str
    ms: float
    plain_ms: float | None
    ratio: float | None
    batch_ms: float | None
    batch_ratio: float | None


def rawboost_transforms() -> list[tuple[str, Transform]]:
    """Every algorithm of RawBoost, each clip changed."""
    return [(f"rawboost {algorithm}", RawBoost(algorithm=algorithm)) for algorithm in range(1, 9)]


def bench_augment(
    transforms: Sequence[tuple[str, Transform]],
    plan: AugmentPlan,
    on_row: Callable[[AugmentRow], None] = lambda row: None,
) -> list[AugmentRow]:
    """Measure transforms by name, one after the other, on clips of noise."""
    rows = []
    with _one_thread():
        for name, transform in transforms:
            rows.append(_measured(name, transform, plan))
            on_row(rows[-1])
    return rows


def _measured(name: str, transform: Transform, plan: AugmentPlan) -> AugmentRow:
    rng = np.random.default_rng(0)
    clips = rng.normal(0, 0.1, (plan.batch, plan.num_samples)).astype(np.float32)
    forms: dict[str, Callable[[], object]] = {"ours": partial(transform, clips[0], rng)}
    if isinstance(transform, RawBoost):
        forms["plain"] = partial(plain_rawboost, clips[0], transform, rng)
        forms["batch"] = partial(_batch, transform, torch.from_numpy(clips), rng.spawn(plan.batch))
    ms = _medians_ms(forms, plan.repeats)
    plain_ms, batch_ms = ms.get("plain"), ms.get("batch")
    batch_ms = None if batch_ms is None else batch_ms / plan.batch
    return AugmentRow(name, ms["ours"], plain_ms, _ratio(plain_ms, ms["ours"]), batch_ms, _ratio(plain_ms, batch_ms))


def _batch(transform: RawBoost, waveforms: Tensor, rngs: list[np.random.Generator]) -> Tensor:
    return rawboost_batch(waveforms, draw_batch(transform, waveforms.shape[1], rngs))


def _medians_ms(forms: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Everyone in turn, so that what else the machine does meets all alike."""
    times_ms: dict[str, list[float]] = {name: [] for name in forms}
    for run in forms.values():
        run()
    for _ in range(repeats):
        for name, run in forms.items():
            times_ms[name].append(1_000 * timeit(run, number=_CALLS) / _CALLS)
    return {name: statistics.median(values) for name, values in times_ms.items()}


def _ratio(theirs: float | None, mine: float | None) -> float | None:
    return theirs / mine if theirs is not None and mine else None


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
