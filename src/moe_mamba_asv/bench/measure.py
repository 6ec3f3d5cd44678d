"""Time, memory and error of one scan; runs in a worker's process."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor

from moe_mamba_asv.bench.contenders import Contender
from moe_mamba_asv.bench.memory import run_with_peak
from moe_mamba_asv.bench.problem import ARGUMENTS, TRUTH, Scan, Size, make_problem, max_relative_error

Mode = Literal["forward", "forward_backward"]
MODES: tuple[Mode, ...] = ("forward", "forward_backward")
#: A scan of this size is run before anything is measured, for what is built or loaded on first use.
_FIRST = Size(batch=1, length=8, channels=16, states=16)


@dataclass(frozen=True)
class ScanTask:
    """One size and mode to measure.

    Attributes:
        problem: file that `write_problem` wrote.
        repeats: timed runs, at least one; fewer where ``budget_s`` would not do.
    """

    size: Size
    mode: Mode
    problem: Path
    repeats: int
    budget_s: float


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes:
        ms: median of the timed runs.
        peak_mib: memory at the peak of a run beyond what was held before; None where the system does not tell.
        max_rel_error: see `max_relative_error`; not finite where the answer is not.
        repeats: number of timed runs.
    """

    ms: float
    peak_mib: float | None
    max_rel_error: float
    repeats: int


def prepare_scan(contender: Contender, device: str) -> Callable[[ScanTask], Figures]:
    """Load it and run it once in each mode; answers what measures it."""
    for mode in MODES:
        _prepared_run(contender, _FIRST, mode, make_problem(_FIRST), device)()
    return partial(_measure, contender, device)


def _measure(contender: Contender, device: str, task: ScanTask) -> Figures:
    started = time.perf_counter()
    tensors = load_file(task.problem)
    run = _prepared_run(contender, task.size, task.mode, tensors, device)
    # The first run warms up as well, and is the one whose answer is looked at.
    found, peak_mib = run_with_peak(run, device)
    truth = {name.removeprefix(TRUTH): tensor for name, tensor in tensors.items() if name.startswith(TRUTH)}
    error = max_relative_error(
        {name: _time_last(contender, name, tensor.cpu()) for name, tensor in found.items()}, truth
    )
    del found, tensors, truth

    times_ms: list[float] = []
    while len(times_ms) < task.repeats:
        spent_s = time.perf_counter() - started
        if times_ms and spent_s + max(times_ms) / 1000 > task.budget_s:
            break
        times_ms.append(_time_ms(run, device))
    return Figures(statistics.median(times_ms), peak_mib, error, len(times_ms))


def _prepared_run(
    contender: Contender, size: Size, mode: Mode, problem: dict[str, Tensor], device: str
) -> Callable[[], dict[str, Tensor]]:
    """What is timed, its tensors already in the contender's layout; answers ``out``, and in that mode the gradients."""
    scan = contender.load(size)
    leaves = [_laid_out(contender, name, problem[name], device) for name in ARGUMENTS]
    if mode == "forward":
        return partial(_forward, scan, leaves)
    weights = _laid_out(contender, "out", problem["weights"], device)
    return partial(_forward_backward, scan, [leaf.requires_grad_() for leaf in leaves], weights)


def _forward(scan: Scan, leaves: list[Tensor]) -> dict[str, Tensor]:
    u, delta, A, B, C, D = leaves
    with torch.inference_mode():
        return {"out": scan(u, delta, A, B, C, D)}


def _forward_backward(scan: Scan, leaves: list[Tensor], weights: Tensor) -> dict[str, Tensor]:
    u, delta, A, B, C, D = leaves
    out = scan(u, delta, A, B, C, D)
    gradients = torch.autograd.grad(out, leaves, weights)
    return {"out": out.detach(), **dict(zip(ARGUMENTS, gradients, strict=True))}


def _laid_out(contender: Contender, name: str, tensor: Tensor, device: str) -> Tensor:
    """A copy in memory of its own: the file's pages, first touched, would count as memory of the scan."""
    tensor = tensor.transpose(1, 2) if name in contender.time_first else tensor
    return tensor.to(device).clone(memory_format=torch.contiguous_format)


def _time_last(contender: Contender, name: str, tensor: Tensor) -> Tensor:
    return tensor.transpose(1, 2) if name in contender.time_first else tensor


def _time_ms(run: Callable[[], object], device: str) -> float:
    """Duration of one run; what it answers is freed after the clock has stopped."""
    if device == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        answer = run()
        end.record()
        torch.cuda.synchronize()
        del answer
        return start.elapsed_time(end)
    started = time.perf_counter()
    answer = run()
    duration_ms = (time.perf_counter() - started) * 1000
    del answer
    return duration_ms


def note_on(figures: Figures) -> str:
    """What a reader must know about the figures: an answer that is not finite."""
    if math.isnan(figures.max_rel_error):
        return "NaN"
    return "infinite" if math.isinf(figures.max_rel_error) else ""
