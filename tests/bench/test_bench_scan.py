"""The benchmark of the selective scan: everyone computes the same function, and nobody can stop the run."""

import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner

from moe_mamba_asv.bench.contenders import REFERENCE, Contender, contenders
from moe_mamba_asv.bench.problem import Scan, Size
from moe_mamba_asv.bench.scan import Row, ScanPlan, bench_scan, compare
from moe_mamba_asv.bench.scan_training import ScanTrainingPlan, bench_scan_training
from moe_mamba_asv.bench.worker import Failure, Surroundings, Worker
from moe_mamba_asv.cli import bench

SIZE = Size(2, 16, 8, 4)


def run(*words: object, code: int = 0) -> str:
    app = typer.Typer()
    bench.register(app)
    result = CliRunner().invoke(app, ["bench", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_everyone_computes_the_same_function() -> None:
    packages = [contender for contender in contenders("cpu") if contender.published]
    names = ["reference", *(contender.name for contender in packages)]
    only = [word for name in names for word in ("--implementation", name)]
    rows = json.loads(run("scan", "--size", "2,16,8,4", "--repeats", 1, "--json", *only))
    assert [(row["mode"], row["implementation"]) for row in rows] == [
        (mode, name) for mode in ("forward", "forward_backward") for name in names
    ]
    absent = {contender.name: contender.missing for contender in packages if contender.missing}
    for row in rows:
        assert row["size"] == list(SIZE)
        assert row["allocator"] == "stock"
        if row["implementation"] in absent:
            assert (row["ms"], row["repeats"], row["note"]) == (None, 0, absent[row["implementation"]])
        else:
            assert row["ms"] > 0
            assert row["peak_mib"] is None or row["peak_mib"] >= 0
            assert row["max_rel_error"] < 1e-4
            assert (row["repeats"], row["note"]) == (1, "")


def test_the_table_names_its_allocator() -> None:
    printed = run("scan", "--size", "2,16,8,4", "--allocator", "kept", "--implementation", REFERENCE, "--threads", 1)
    assert "forward_backward (2, 16, 8, 4), kept allocator" in printed
    assert printed.count("1.00") >= 4  # it is as fast as itself


def test_wrong_use_names_what_is_wanted() -> None:
    assert "mambapy parallel" in run("scan", "--implementation", "mambapy", code=2)
    assert "four whole numbers" in run("scan", "--size", "8,200", code=2)


def awkward(size: Size) -> Scan:
    """A scan that answers NaN, and takes for ever when a gradient is wanted; at the first, tiny call it is fine."""

    def scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        fine = u * (delta.sum() + A.sum() + B.sum() + C.sum() + D.sum())
        if size != SIZE:
            return fine
        if u.requires_grad:
            time.sleep(60)
        return fine * torch.nan

    return scan


def test_nan_and_a_spent_budget_are_rows_with_a_note() -> None:
    forward, both = bench_scan(ScanPlan([Contender("awkward", awkward)], (SIZE,), repeats=1, budget_s=1.5))
    assert forward.ms is not None
    assert (forward.max_rel_error, forward.note) == (None, "NaN")
    assert (both.ms, both.peak_mib, both.repeats, both.note) == (None, None, 0, "over 1.5 s")


def obey() -> Callable[[str], float]:
    """What runs in the process of the next test."""
    return lambda word: {"die": partial(os._exit, 7), "sleep": partial(time.sleep, 60), "keep": _kept_mib}[word]()


def _kept_mib() -> float:
    """MiB that stay resident when 64 MiB are freed."""
    before = _resident_mib()
    block = torch.ones(2**24)
    del block
    return _resident_mib() - before


def _resident_mib() -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
def test_a_worker_survives_whatever_happens_in_it() -> None:
    worker: Worker[str, float] = Worker(obey, Surroundings(threads=1, keeps_blocks=True))
    try:
        assert worker.ask("die", 10) == Failure("its process died, exit code 7")
        assert worker.ask("unknown", 10) == Failure("KeyError: 'unknown'")
        assert worker.ask("sleep", 0.5) == Failure("over 0.5 s")
        kept_mib = worker.ask("keep", 10)
        assert isinstance(kept_mib, float)
        assert kept_mib > 60
    finally:
        worker.kill()


def test_ratios() -> None:
    def row(name: str, ms: float | None, mib: float | None) -> Row:
        return Row(name, SIZE, "forward", "stock", 1, ms, mib, None, "")

    rows = [row("ours", 2, 5), row(REFERENCE, 20, 10), row("fast", 8, 40), row("late", None, None)]
    found = compare(rows[0], rows, {REFERENCE, "fast", "late"})
    assert (found.faster_than_reference, found.faster_than_published) == (10, 4)
    assert (found.smaller_than_reference, found.smaller_than_published) == (2, 2)
    assert compare(rows[3], rows, set()).faster_than_published is None


def test_training_by_each_scan_finds_the_same_weights() -> None:
    """The same seed, two steps: what differs is rounding."""
    rows = bench_scan_training(
        ScanTrainingPlan(steps=2, reference_steps=2, threads=1, batch=2, frames=20, width=16, blocks=2)
    )
    assert [row.implementation for row in rows] == ["native", "chunked", REFERENCE]
    losses = [row.last_loss for row in rows if not row.note]
    assert len(losses) >= 2
    assert losses == pytest.approx([losses[0]] * len(losses), abs=1e-5)
    assert all(row.ms_per_step is not None and row.ms_per_step > 0 for row in rows if not row.note)
