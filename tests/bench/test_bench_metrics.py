"""`mma bench metrics`: our figures beside the published steps."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from moe_mamba_asv.bench.metrics import ASV
from moe_mamba_asv.bench.metrics_plain import plain_curve, plain_eer, plain_replicate, plain_tdcf_2019, plain_tdcf_2021
from moe_mamba_asv.cli.main import app


def test_it_measures_ours_and_the_published_steps_and_they_agree():
    options = ["--size", "300,1300", "--repeats", "2", "--replicates", "50", "--plain-replicates", "2", "--json"]
    done = CliRunner().invoke(app, ["bench", "metrics", *options])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["trials"] for row in rows] == [1600] * 4
    for row in rows[:2]:
        # Distinct scores: only where two steps are equally close may the EER differ, by half a trial.
        assert row["difference"] <= 1 / 200
    for row in rows[:3]:
        assert row["ratio"] == pytest.approx(row["plain_ms"] / row["ms"])
        assert row["ms"] > 0
    assert rows[3]["plain_ms"] is None


def test_the_table_says_what_is_scaled():
    options = ["--size", "20,13", "--repeats", "1", "--replicates", "5", "--plain-replicates", "2"]
    done = CliRunner().invoke(app, ["bench", "metrics", *options])
    assert done.exit_code == 0, done.output
    assert "scaled from 2 replicates" in " ".join(done.stdout.split())


@pytest.mark.parametrize("size", ["5", "5,x", "5,12", "0,13", "1,2,3"])
def test_impossible_sizes_are_refused(size):
    done = CliRunner().invoke(app, ["bench", "metrics", "--size", size])
    assert done.exit_code == 2
    assert f"--size {size}" in done.stderr


def test_the_published_steps_worked_by_hand():
    # Steps (miss, false alarm): (0, 1) (0, 1/2) (1/2, 1/2) (1/2, 0) (1, 0); the misses of C1 cost most.
    curve = plain_curve(np.array([0.0, 2.0]), np.array([1.0, -1.0]))
    assert curve[0].tolist() == [0, 0, 0.5, 0.5, 1]
    assert curve[1].tolist() == [1, 0.5, 0.5, 0, 0]
    assert plain_eer(curve) == 0.5
    assert plain_tdcf_2019(curve, ASV) == pytest.approx(0.5)
    assert plain_tdcf_2021(curve, ASV) == pytest.approx((0.0254559 + 0.3803262 / 2) / (0.0254559 + 0.3803262), abs=1e-6)


def test_a_plain_replicate_has_all_measures_and_groups():
    attacks = {"A1": np.array([0.0, 0.0]), "A2": np.array([2.0])}
    values = plain_replicate(np.array([1.0]), attacks, ASV, np.random.default_rng(0))
    assert values.shape == (3, 3)
    assert values[0].tolist() == [plain_eer(plain_curve(np.array([1.0]), np.array([0.0, 0.0, 2.0]))), 0, 1]
