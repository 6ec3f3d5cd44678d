"""`mma bench augment`: a row for each algorithm, and a transform without a published form has none."""

import json

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from typer.testing import CliRunner

from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.bench.augment import AugmentPlan, bench_augment
from moe_mamba_asv.cli import bench


class Slow(Transform):
    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        while rng.random() > 1e-4:
            pass
        return waveform


def run(*words: str) -> str:
    app = typer.Typer()
    bench.register(app)
    result = CliRunner().invoke(app, ["bench", "augment", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_each_algorithm_is_set_beside_the_published_form() -> None:
    rows = json.loads(run("--samples", "600", "--repeats", "1", "--batch", "2", "--json"))
    assert [row["name"] for row in rows] == [f"rawboost {algorithm}" for algorithm in range(1, 9)]
    for row in rows:
        assert min(row["ms"], row["plain_ms"], row["batch_ms"]) > 0
        assert np.isclose(row["ratio"], row["plain_ms"] / row["ms"])
        assert np.isclose(row["batch_ratio"], row["plain_ms"] / row["batch_ms"])


def test_the_table_names_every_algorithm() -> None:
    printed = run("--samples", "100", "--repeats", "1", "--batch", "1")
    assert all(f"rawboost {algorithm}" in printed for algorithm in range(1, 9))


def test_another_transform_has_only_its_own_time_and_threads_stay_as_they_were() -> None:
    threads, told = torch.get_num_threads(), []
    rows = bench_augment([("slow", Slow())], AugmentPlan(100, repeats=3, batch=1), told.append)
    assert told == rows
    assert rows[0].ms > 0.05
    assert (rows[0].plain_ms, rows[0].ratio, rows[0].batch_ms, rows[0].batch_ratio) == (None,) * 4
    assert torch.get_num_threads() == threads
