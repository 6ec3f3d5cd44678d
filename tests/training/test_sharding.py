"""A model that is cut up among two processes learns as one in one piece does, and its files are those of any run."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from two_processes import STEPS, STOPPED_AT, full_run, keep_scores, plant_faults, train_by_two
from typer.testing import CliRunner

from made_corpus import write_folder_corpus
from made_run import made_run
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.training.data.clips import Clips
from moe_mamba_asv.training.dev import Dev
from moe_mamba_asv.training.learner import Learner
from moe_mamba_asv.training.train import train
from tiny_ssl import save_tiny

EMA = "training.averaging={kind: ema, decay: 0.5}"
PATIENCE = "training.guard.patience=2"
JOBS = [
    {"name": "whole", "overrides": [], "seed": 0},
    {"name": "stopped", "overrides": [], "seed": 0},
    {"name": "ema", "overrides": [EMA], "seed": 0},
    {"name": "clips", "overrides": [PATIENCE], "seed": 13},
    {"name": "passes", "overrides": [PATIENCE], "seed": 14},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Ten clips on dev, so three batches: the second process has one less.
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"), clips=5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny WavLM without dropout, whose draws would differ from process to process."""
    folder = save_tiny(tmp_path_factory.mktemp("wavlm"), "wavlm-stable")
    config = json.loads((folder / "config.json").read_text())
    config.update({name: 0.0 for name in config if name.endswith("dropout")})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def sharded(root: Path, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the runs of `JOBS`; ``stopped`` went on from where ``whole`` was after three steps."""
    out = tmp_path_factory.mktemp("fsdp")
    done = train_by_two("fsdp", root, source, out, JOBS)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process, with the faults that are planted in the second of two."""
    for of, name in ((Clips, "__getitem__"), (Learner, "forward"), (Countermeasure, "decide"), (Dev, "score")):
        monkeypatch.setattr(of, name, getattr(of, name))  # what is put in its place goes at the end
    plant_faults()


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(run / "last.safetensors").state)


def _largest_difference(one: Path, other: Path) -> float:
    first, second = _weights(one), _weights(other)
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


def _state(run: Path) -> dict[str, Any]:
    return torch.load(run / "state" / "last.ckpt", weights_only=True)


def _actions(run: Path) -> list[tuple[int, str, str]]:
    events = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    return [(event["step"], event["what"], event["action"]) for event in events]


@pytest.mark.usefixtures("alone")
def test_weights_and_dev_scores_are_those_of_one_process(
    root: Path, source: Path, sharded: Path, tmp_path: Path
) -> None:
    run = full_run(root, tmp_path / "run", source)
    scores = keep_scores(tmp_path)
    train(run)
    assert _largest_difference(sharded / "whole", run.out) < 1e-5
    for rank in (0, 1):
        assert np.abs(np.load(sharded / f"scores-1-{rank}.npy") - scores[0]).max() < 1e-5
    torch.manual_seed(0)
    start, learned = build_model(run.recipe.model).state_dict(), _weights(sharded / "whole")
    moved = {name: (start[name] - tensor).abs().max().item() for name, tensor in learned.items()}
    for layer in range(4):
        assert moved[f"frontends.0.layers.{layer}.feed_forward.output_dense.weight"] > 1e-3


def test_weights_are_those_of_ddp(root: Path, source: Path, sharded: Path, tmp_path: Path) -> None:
    done = train_by_two("ddp", root, source, tmp_path, JOBS[:1])
    assert done.returncode == 0, done.stderr
    assert _largest_difference(sharded / "whole", tmp_path / "whole") < 1e-5


def test_it_goes_on_from_a_state_with_two_processes_and_with_one(
    root: Path, source: Path, sharded: Path, tmp_path: Path
) -> None:
    assert _largest_difference(sharded / "stopped", sharded / "whole") == 0
    shutil.copytree(sharded / "at-three", tmp_path / "run")
    assert _state(tmp_path / "run")["progress"]["step"] == STOPPED_AT < STEPS
    train(full_run(root, tmp_path / "run", source), resume=True)
    assert _largest_difference(tmp_path / "run", sharded / "whole") < 1e-5
    one, two = (_state(place)["optimizer"]["state"] for place in (tmp_path / "run", sharded / "whole"))
    assert one.keys() == two.keys()
    for index, moments in one.items():
        assert torch.allclose(moments["exp_avg"], two[index]["exp_avg"], atol=1e-5)


def test_a_moving_average_is_that_of_one_process(root: Path, source: Path, sharded: Path, tmp_path: Path) -> None:
    train(full_run(root, tmp_path / "run", source, EMA))
    assert _largest_difference(sharded / "ema", tmp_path / "run") < 1e-5
    assert _largest_difference(sharded / "ema", sharded / "whole") > 3e-5
    one, two = (_state(place)["average"]["weights"] for place in (tmp_path / "run", sharded / "ema"))
    assert one.keys() == two.keys()
    for name, mean in one.items():
        assert torch.allclose(mean, two[name], atol=1e-5), name


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("job", "actions"),
    [
        (
            JOBS[3],
            [(2, "score", "skipped"), (3, "score", "skipped"), (3, "score", "rolled back"), (3, "score", "skipped")],
        ),
        (JOBS[4], [(2, "gradient", "skipped"), (4, "loss", "skipped")]),
    ],
    ids=["a NaN in clips", "a gradient, and a pass that breaks off"],
)
def test_what_is_not_finite_in_one_process_both_skip(
    root: Path, source: Path, sharded: Path, tmp_path: Path, job: dict[str, Any], actions: list[tuple[int, str, str]]
) -> None:
    train(full_run(root, tmp_path / "run", source, *job["overrides"], seed=job["seed"]))
    assert _actions(sharded / job["name"]) == _actions(tmp_path / "run") == actions
    assert _largest_difference(sharded / job["name"], tmp_path / "run") < 1e-5


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("training.averaging.kind=swa", "training.averaging.kind=swa"),
        ("training.averaging.kind=best", "training.averaging.kind=best"),
        ("training.fgm.epsilon=0.1", "training.fgm"),
        ("training.objective.l2_sp=0.1", "training.objective.l2_sp"),
        ("training.frozen_features=true", "training.frozen_features"),
    ],
)
def test_what_cannot_be_cut_up_is_refused_by_its_key(root: Path, tmp_path: Path, override: str, named: str) -> None:
    run = made_run(root, tmp_path / "run", override, devices=2, strategy="fsdp", accelerator="cpu", cache=tmp_path)
    with pytest.raises(ConfigError, match=re.escape(named)):
        train(run)
    assert not run.out.exists()


@pytest.mark.parametrize(("options", "named"), [({"devices": 1}, "--devices 1"), ({"compiled": True}, "--compile")])
def test_one_device_and_a_compiler_are_refused(root: Path, tmp_path: Path, options: dict[str, Any], named: str) -> None:
    run = made_run(root, tmp_path / "run", strategy="fsdp", accelerator="cpu", **{"devices": 2, **options})
    with pytest.raises(ConfigError, match=named):
        train(run)


@pytest.mark.parametrize(
    ("strategy", "said"), [("dp", "auto, ddp or fsdp"), ("fsdp", "--strategy fsdp with --devices 1")]
)
def test_the_command_hands_the_strategy_on(root: Path, tmp_path: Path, strategy: str, said: str) -> None:
    words = ["train", "lcnn-small", "--corpus", "folder", "--root", root, "--out", tmp_path, "--strategy", strategy]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 2
    assert said in result.stderr
