"""A training run: it learns, it resumes to the same bits, and eval cannot be reached."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from made_corpus import write_folder_corpus
from made_run import OVERRIDES, made_run
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.train import train
from moe_mamba_asv.types import Partition
from stand_in import start_mma


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"))


def test_it_learns_and_says_what_chose_the_weights(root: Path, tmp_path: Path) -> None:
    best = load_checkpoint(train(made_run(root, tmp_path / "run")))
    assert best.selection["partition"] == "dev"
    assert best.selection["value"] < 0.2  # the two classes are far apart
    assert best.num_samples == 8000
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [8, 16, 24]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_the_seed_decides_the_run_and_the_workers_nothing(root: Path, tmp_path: Path) -> None:
    files = [
        train(made_run(root, tmp_path / name, seed=seed, workers=workers, max_steps=11)).read_bytes()
        for name, seed, workers in [("a", 1, 0), ("b", 1, 2), ("c", 2, 0)]
    ]
    assert files[0] == files[1]
    assert files[0] != files[2]


class _Stop(BaseException):
    """Not an error of the program: somebody pulled the plug."""


@pytest.mark.parametrize("stop_at", [1, 9, 16, 23])
def test_a_stopped_run_resumes_to_the_same_weights(root: Path, tmp_path: Path, stop_at: int) -> None:
    whole = train(made_run(root, tmp_path / "whole"))

    def stop(step: int, total: int, dev_eer: float) -> None:
        if step == stop_at:
            raise _Stop

    with pytest.raises(_Stop):
        train(made_run(root, tmp_path / "parts"), report=stop)
    resumed = train(made_run(root, tmp_path / "parts"), resume=True)
    for name in ("best.safetensors", "last.safetensors", "metrics.csv"):
        assert (resumed.parent / name).read_bytes() == (whole.parent / name).read_bytes(), name


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_the_command_killed_and_repeated_ends_with_the_same_weights(
    root: Path, tmp_path: Path, kill: signal.Signals
) -> None:
    def start(out: Path) -> subprocess.Popen:
        options = [word for override in [*OVERRIDES, "training.epochs=6"] for word in ("--set", override)]
        place = ["--corpus", "folder", "--root", root, "--out", out, "--resume"]
        return start_mma("train", "lcnn-small", *place, *options)

    whole = start(tmp_path / "whole")
    victim = start(tmp_path / "parts")
    state = tmp_path / "parts" / "state" / "last.ckpt"
    while not state.exists() and victim.poll() is None:
        time.sleep(0.005)
    os.kill(victim.pid, kill)
    assert victim.wait() != 0
    assert start(tmp_path / "parts").wait() == 0
    assert whole.wait() == 0
    for name in ("best.safetensors", "last.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_folder_with_a_run_is_not_overwritten(root: Path, tmp_path: Path) -> None:
    train(made_run(root, tmp_path / "run", max_steps=1))
    with pytest.raises(TrainingError, match="already holds a run"):
        train(made_run(root, tmp_path / "run", max_steps=1))
    with pytest.raises(TrainingError, match="other seed"):
        train(made_run(root, tmp_path / "run", max_steps=1, seed=9), resume=True)


def test_eval_cannot_choose_the_weights(root: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="eval"):
        train(made_run(root, tmp_path / "run", dev=Partition.EVAL))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_with_its_step(root: Path, tmp_path: Path) -> None:
    run = made_run(root, tmp_path / "run")
    broken = run.recipe.model_copy(
        update={"training": run.recipe.training.model_copy(update={"learning_rate": 1e30, "weight_decay": 0.0})}
    )
    with pytest.raises(TrainingError, match=r"step \d+"):
        train(Run(broken, run.train, run.dev, tmp_path / "run"))


def test_run_json_repeats_the_question(root: Path, tmp_path: Path) -> None:
    train(made_run(root, tmp_path / "run", max_steps=1, seed=5))
    asked = json.loads((tmp_path / "run" / "run.json").read_text())["asked"]
    assert (asked["seed"], asked["max_steps"], asked["corpora"], asked["train_clips"]) == (5, 1, ["folder"], 16)
