"""Two processes: dev is scored once and alike, a step hears the same clips, a run goes on with another number."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch

from made_corpus import write_folder_corpus
from made_run import OVERRIDES
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.training.data.clips import Clips
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.training.dev import Dev
from moe_mamba_asv.training.processes import parting
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.types import Partition


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"), clips=7)


def _score_dev(fabric: lightning.Fabric, root: Path, out: Path) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_model(load_recipe("lcnn-small", OVERRIDES).model)
    if fabric.global_rank == 1:  # as each process's own part of the batches leaves them behind
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer += 1
    mixture = Mixture([read_corpus("folder", root=root, partition=Partition.DEV)])
    with parting(fabric):
        found = Dev(fabric, mixture, Clips(mixture, 8000, seed=None), batch_size=4, workers=0).score(model)
    np.save(out / f"{fabric.world_size}-{fabric.global_rank}.npy", found.scores)


def test_dev_scores_have_the_same_bits_on_one_process_and_on_two(root: Path, tmp_path: Path) -> None:
    for devices, strategy in ((1, "auto"), (2, "ddp_spawn")):
        fabric = lightning.Fabric(accelerator="cpu", devices=devices, strategy=strategy)
        fabric.launch(partial(_score_dev, root=root, out=tmp_path))
    alone, *both = (np.load(tmp_path / f"{name}.npy") for name in ("1-0", "2-0", "2-1"))
    assert len(alone) == 14
    assert len(np.unique(alone)) == 14
    for scores in both:
        assert np.array_equal(scores, alone)


def test_two_processes_train_resume_and_one_goes_on(root: Path, tmp_path: Path) -> None:
    options = [word for override in [*OVERRIDES, "training.epochs=2"] for word in ("--set", override)]
    asked = ["lcnn-small", "--corpus", "folder", "--root", root, *options, "--accelerator", "cpu", "--json", "--resume"]

    def mma_train(out: Path, devices: int) -> dict:
        # The command itself, for each further process is started by it with the same words.
        command = [Path(sys.executable).parent / "mma", "train", *asked, "--out", out, "--devices", str(devices)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        return json.loads(done.stdout)  # one document: the second process says nothing

    both = mma_train(tmp_path / "both", 2)
    assert both["selection"]["step"] % 7 == 0
    assert mma_train(tmp_path / "both", 1)["selection"] == both["selection"]
    alone = mma_train(tmp_path / "alone", 1)
    # The same clips in the same steps; batch norms see half a batch each, so it is near and not the same.
    one, two = (load_checkpoint(Path(said["model"])).state for said in (alone, both))
    assert one.keys() == two.keys()
    difference = max(
        (one[name].float() - two[name].float()).abs().max().item() for name in one if "running" not in name
    )
    assert 0 < difference < 0.2
