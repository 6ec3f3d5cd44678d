"""Runs in which every layer of a tiny WavLM learns, and faults planted in one of two processes.

As a program, it trains runs in turn by two processes: Lightning starts the second one with the same words.
"""

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import NonFiniteError, TrainingError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.output import CountermeasureOutput, Detector
from moe_mamba_asv.training.data.clips import Clip, Clips
from moe_mamba_asv.training.dev import Dev, DevPass
from moe_mamba_asv.training.learner import Learner
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.train import train_in_turn
from moe_mamba_asv.types import Partition

STEPS = 5
TIMEOUT_S = 200
#: Step after which the folder of a run is copied, as a stop would have left it.
STOPPED_AT = 3
_TRAINING = {
    "batch_size": 4,
    "accumulate": 2,
    "num_samples": 4000,
    "crop_samples": 4000,
    "learning_rate": 1e-3,
    "clip_gradient": 0.5,
    "state_every_steps": 1,
}


def full_run(root: Path, out: Path, source: Path, *overrides: str, **options: Any) -> Run:
    """A run of 5 steps in which every encoder layer learns; no dropout, no batch norm."""
    ssl = {"kind": "ssl", "source": str(source), "layers": "weighted", "trainable": [0, 3]}
    model = {
        "frontends": [ssl],
        "width": 8,
        "dropout": 0,
        "backend": {"kind": "transformer", "num_blocks": 1, "heads": 2, "dropout": 0},
        "pooling": {"kind": "attentive", "hidden": 4},
        "head": {"kind": "linear"},
    }
    keys = ["model.kind=countermeasure", *(f"model.{name}={json.dumps(value)}" for name, value in model.items())]
    keys += [f"training.{name}={value}" for name, value in _TRAINING.items()]
    # The mean over a batch is that of its halves' means only where all clips weigh alike.
    keys.append("training.objective.loss.class_weights=[1, 1]")
    parts = [(read_corpus("folder", root=root, partition=part),) for part in (Partition.TRAIN, Partition.DEV)]
    recipe = load_recipe("lcnn-small", [*keys, *overrides])
    return Run(recipe, *parts, out=out, accelerator="cpu", max_steps=STEPS, loggers=(), **options)


def keep_scores(out: Path) -> list[np.ndarray]:
    """Let each pass over dev that is still to come write its scores into a folder, in turn."""
    original, kept = Dev.score, []

    def score(self: Dev, model: Detector) -> DevPass:
        found = original(self, model)
        kept.append(found.scores)
        np.save(out / f"scores-{len(kept)}-{self.fabric.global_rank}.npy", found.scores)
        return found

    Dev.score = score
    return kept


def plant_faults() -> None:
    """Let some steps fail, by the seed of the run; only in the second process, where there are two.

    13: a NaN in the clips of steps 1 and 2. 14: a gradient that is not finite in step 1, and in step 3 a model that
    raises `NonFiniteError` before it has answered. 15: an error in step 2; 16: the same in the first process.
    """
    now: dict[str, int | None] = {"seed": None, "step": None}
    read, learn, decide = Clips.__getitem__, Learner.forward, Countermeasure.decide

    def is_planted(seed: int, *steps: int, rank: int = 1) -> bool:
        alone = not torch.distributed.is_initialized()
        return now["seed"] == seed and now["step"] in steps and (alone or torch.distributed.get_rank() == rank)

    def planted_read(self: Clips, position: Any) -> Clip:
        clip = read(self, position)
        if self.seed is not None:
            now.update(seed=self.seed, step=position[0])
            if is_planted(13, 1, 2):
                clip.waveform[100] = math.nan
            if is_planted(15, 2) or is_planted(16, 2, rank=0):
                raise TrainingError("planted")
        return clip

    def planted_learn(self: Learner, *tensors: Tensor) -> dict[str, Any]:
        answer = learn(self, *tensors)
        if is_planted(14, 1):
            answer["loss"].register_hook(lambda gradient: gradient * math.nan)
        return answer

    def planted_decide(
        self: Countermeasure, frames: Tensor, auxiliaries: Mapping[str, Tensor] | None = None
    ) -> CountermeasureOutput:
        if self.training and is_planted(14, 3):
            raise NonFiniteError("planted")
        return decide(self, frames, auxiliaries)

    Clips.__getitem__, Learner.forward, Countermeasure.decide = planted_read, planted_learn, planted_decide


def train_by_two(
    strategy: str, root: Path, source: Path, out: Path, jobs: list[dict[str, Any]]
) -> subprocess.CompletedProcess[str]:
    """Train runs in turn by two processes, and wait until both are gone.

    Args:
        strategy: ``ddp`` or ``fsdp``.
        root: of the corpus.
        source: of the WavLM.
        out: where the jobs' folders lie.
        jobs: ``name`` of the folder, ``overrides`` and ``seed`` of each.

    Returns:
        How the first one ended; what both wrote. Each writes a line when it has left the group of both.
    """
    words = [sys.executable, __file__, strategy, str(root), str(source), str(out), json.dumps(jobs)]
    return subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def main() -> None:
    """Train what `train_by_two` asks for."""
    strategy, root, source, out, jobs = sys.argv[1:]
    torch.set_num_threads(1)
    plant_faults()
    keep_scores(Path(out))
    runs = [
        full_run(Path(root), Path(out) / job["name"], Path(source), *job["overrides"], seed=job["seed"])
        for job in json.loads(jobs)
    ]

    def copy_run(step: int, total: int, dev_eer: float) -> None:
        if os.environ.get("LOCAL_RANK", "0") == "0" and step == STOPPED_AT and not (Path(out) / "stopped").exists():
            for name in ("stopped", "at-three"):
                shutil.copytree(runs[0].out, Path(out) / name)

    try:
        train_in_turn([replace(run, devices=2, strategy=strategy) for run in runs], resume=True, report=copy_run)
    finally:
        if not torch.distributed.is_initialized():
            sys.stdout.write("left the group\n")


if __name__ == "__main__":
    main()
