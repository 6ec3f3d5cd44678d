"""The benchmark of the selective scan: ours beside whatever is installed, on the same inputs, in one run."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from moe_mamba_asv.bench.contenders import REFERENCE, Contender
from moe_mamba_asv.bench.measure import MODES, Figures, Mode, ScanTask, note_on, prepare_scan
from moe_mamba_asv.bench.problem import Size, write_problem
from moe_mamba_asv.bench.worker import Failure, Surroundings, Worker
from moe_mamba_asv.errors import ConfigError

Allocator = Literal["stock", "kept"]
#: A clip of 4 s in frames of 20 ms; 20 s of it, wider; few and long.
DEFAULT_SIZES = (Size(8, 200, 288, 16), Size(8, 1000, 512, 16), Size(2, 4000, 512, 16))


@dataclass(frozen=True)
class ScanPlan:
    """What to measure.

    Attributes:
        contenders: see `contenders`.
        allocators: "stock", as the system comes, or "kept", see `keep_freed_blocks`.
        repeats: timed runs of each.
        budget_s: seconds for one implementation at one size and mode.
        threads: of one operation; None leaves PyTorch's own number.
        device: "cpu" or "cuda".
    """

    contenders: list[Contender]
    sizes: tuple[Size, ...] = DEFAULT_SIZES
    allocators: tuple[Allocator, ...] = ("stock",)
    repeats: int = 5
    budget_s: float = 60
    threads: int | None = None
    device: str = "cpu"

    @property
    def num_rows(self) -> int:
        """How many rows there will be."""
        return len(self.sizes) * len(MODES) * len(self.allocators) * len(self.contenders)


@dataclass(frozen=True)
class Row:
    """One implementation at one size, in one mode and with one allocator; `Figures` says more.

    Attributes:
        size: batch, length, channels, states.
        ms: None where it was not measured; then ``note`` says why.
        note: what a reader must know.
    """

    implementation: str
    size: Size
    mode: Mode
    allocator: Allocator
    repeats: int
    ms: float | None
    peak_mib: float | None
    max_rel_error: float | None
    note: str


@dataclass(frozen=True)
class Ratios:
    """How many times faster and smaller a row is than others beside it; None where not known.

    Attributes:
        faster_than_reference: than mamba-ssm's reference.
        faster_than_published: than the fastest published package.
        smaller_than_reference: its extra memory against that of mamba-ssm's reference.
        smaller_than_published: against the smallest of the published packages.
    """

    faster_than_reference: float | None
    faster_than_published: float | None
    smaller_than_reference: float | None
    smaller_than_published: float | None


def bench_scan(plan: ScanPlan, on_row: Callable[[Row], None] = lambda row: None) -> list[Row]:
    """Measure everyone, each in a process of its own: by size, then by mode, so that noise hits everyone alike.

    Raises:
        ConfigError: there is no such device here.
    """
    if plan.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("no CUDA device here", wanted="a GPU that torch sees", remedy="--device cpu")
    rows = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        workers = _workers(plan)
        for worker in workers.values():
            stack.callback(worker.kill)
        for size in plan.sizes:
            problem = Path(folder) / "problem.safetensors"
            write_problem(size, problem)
            for mode in MODES:
                task = ScanTask(size, mode, problem, plan.repeats, plan.budget_s)
                for contender in plan.contenders:
                    for allocator in plan.allocators:
                        row = _measured(contender, allocator, task, workers[contender.name, allocator])
                        rows.append(row)
                        on_row(row)
    return rows


def beside_each_other(rows: list[Row]) -> dict[tuple[Size, Mode, Allocator], list[Row]]:
    """Rows that may be compared: of one size, mode and allocator."""
    groups: dict[tuple[Size, Mode, Allocator], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.size, row.mode, row.allocator), []).append(row)
    return groups


def compare(row: Row, beside: list[Row], published: set[str]) -> Ratios:
    """Set a row beside others; ``published`` names the implementations that others published."""
    reference = [other for other in beside if other.implementation == REFERENCE]
    others = [other for other in beside if other.implementation in published]
    return Ratios(
        _ratio(row.ms, [other.ms for other in reference]),
        _ratio(row.ms, [other.ms for other in others]),
        _ratio(row.peak_mib, [other.peak_mib for other in reference]),
        _ratio(row.peak_mib, [other.peak_mib for other in others]),
    )


def _ratio(mine: float | None, theirs: list[float | None]) -> float | None:
    known = [value for value in theirs if value is not None]
    return min(known) / mine if mine and known else None


def _workers(plan: ScanPlan) -> dict[tuple[str, Allocator], Worker[ScanTask, Figures]]:
    return {
        (contender.name, allocator): Worker(
            partial(prepare_scan, contender, plan.device), Surroundings(plan.threads, keeps_blocks=allocator == "kept")
        )
        for contender in plan.contenders
        for allocator in plan.allocators
    }


def _measured(contender: Contender, allocator: Allocator, task: ScanTask, worker: Worker[ScanTask, Figures]) -> Row:
    found = Failure(contender.missing) if contender.missing else worker.ask(task, task.budget_s)
    of_row = partial(Row, contender.name, task.size, task.mode, allocator)
    match found:
        case Failure(reason):
            return of_row(0, None, None, None, reason)
        case Figures(ms, peak_mib, error, repeats):
            note = note_on(found)
            return of_row(repeats, ms, peak_mib, None if note else error, note)
