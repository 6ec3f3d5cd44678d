"""A head in closed form in training: what a step has shown is counted once, whatever stops the run or shares it."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from made_corpus import write_folder_corpus
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.training.data.clips import Clip, Clips
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.train import train
from moe_mamba_asv.types import Partition
from tiny_ssl import WIDTH, save_tiny

CLIPS, BATCH = 16, 4
STEPS = CLIPS // BATCH
SUMS = ("head.counts", "head.sums", "head.products")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A corpus, and a tiny Whisper."""
    root = write_folder_corpus(tmp_path_factory.mktemp("corpus"), clips=CLIPS // 2)
    return root, save_tiny(tmp_path_factory.mktemp("whisper"), "whisper")


def _settings(source: Path, *others: str) -> list[str]:
    sizes = [f"training.{name}={value}" for name, value in (("batch_size", BATCH), ("state_every_steps", 1))]
    lengths = ["training.num_samples=9600", "training.crop_samples=9600"]
    return [f"model.frontends.0.source={source}", *sizes, *lengths, *others]


def _run(places: tuple[Path, Path], out: Path, *others: str, **options: Any) -> Run:
    root, source = places
    parts = ((read_corpus("folder", root=root, partition=part),) for part in (Partition.TRAIN, Partition.DEV))
    recipe = load_recipe("phase6-small", _settings(source, *others))
    return Run(recipe, *parts, out=out, accelerator="cpu", loggers=(), **options)


def _state(path: Path) -> dict[str, Tensor]:
    return dict(load_checkpoint(path).state)


def test_a_pass_shows_each_clip_once_and_tells_made_sounds_apart(places: tuple[Path, Path], tmp_path: Path) -> None:
    best = train(_run(places, tmp_path / "run"))
    state = _state(best)
    assert state["head.counts"].tolist() == [CLIPS / 2, CLIPS / 2, *[0] * 6]
    assert state["head.sums"].shape == (8, 2 * WIDTH)
    assert load_checkpoint(best).selection["value"] < 0.3


def test_frozen_features_count_the_same(places: tuple[Path, Path], tmp_path: Path) -> None:
    plain = _state(train(_run(places, tmp_path / "plain", cache=tmp_path / "cache")))
    kept = _state(train(_run(places, tmp_path / "kept", "training.frozen_features=true", cache=tmp_path / "cache")))
    for name in ("head.centre", "head.weight", "head.bias"):
        torch.testing.assert_close(kept[name], plain[name], rtol=1e-2, atol=1e-2)


def test_stopped_and_resumed_it_has_counted_the_same(places: tuple[Path, Path], tmp_path: Path) -> None:
    whole = _state(train(_run(places, tmp_path / "whole")))

    def stop(step: int, total: int, dev_eer: float) -> None:
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_run(places, tmp_path / "stopped"), report=stop)
    resumed = _state(train(_run(places, tmp_path / "stopped"), resume=True))
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_a_step_that_is_not_taken_is_not_counted(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Clips.__getitem__

    def broken(self: Clips, position: Any) -> Clip:
        clip = read(self, position)
        if self.seed is not None and position[0] == 1:
            clip.waveform[100] = math.nan
        return clip

    monkeypatch.setattr(Clips, "__getitem__", broken)
    state = _state(train(_run(places, tmp_path / "run")))
    assert state["head.counts"].sum() == CLIPS - BATCH
    assert all(state[name].isfinite().all() for name in SUMS)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_count_what_one_does(strategy: str, places: tuple[Path, Path], tmp_path: Path) -> None:
    root, source = places
    options = [word for setting in _settings(source) for word in ("--set", setting)]
    found = []
    for devices, strategies in ((1, []), (2, ["--strategy", strategy])):
        out = tmp_path / str(devices)
        asked = ["phase6-small", "--corpus", "folder", "--root", root, *options, "--accelerator", "cpu", "--json"]
        command = [
            Path(sys.executable).parent / "mma",
            "train",
            *asked,
            "--out",
            out,
            "--devices",
            str(devices),
            *strategies,
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
        found.append(_state(Path(json.loads(done.stdout)["model"])))
    alone, both = found
    for name in SUMS:
        torch.testing.assert_close(both[name], alone[name], rtol=1e-5, atol=1e-5)
