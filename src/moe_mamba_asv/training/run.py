"""A training run in a folder: start it, stop it anywhere, resume it, end with the same weights.

A run folder holds ``run.json`` (what was asked), ``best.safetensors`` (the best on dev), ``last.safetensors``,
``metrics.csv`` and ``state/last.ckpt`` (everything that resuming needs, written at the end of each epoch).
"""

import csv
import io
import json
import logging
import math
import platform
import shlex
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint as CheckpointCallback
from torch.utils.data import DataLoader

from moe_mamba_asv import __version__
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.scores import write_atomically
from moe_mamba_asv.training.dataset import Clips, ShuffledBatches, batches_per_epoch
from moe_mamba_asv.training.module import Learner
from moe_mamba_asv.training.recipe import Recipe
from moe_mamba_asv.types import Corpus, Label, Partition

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Run:
    """What was asked of a training run.

    Attributes:
        recipe: resolved.
        train: the training partition.
        dev: the partition that chooses the weights; never eval.
        out: the run folder.
        seed: of everything random.
        max_steps: ends the run early and shortens the cosine; None trains the recipe's epochs.
        workers: processes that decode; they change nothing but the speed.
    """

    recipe: Recipe
    train: Corpus
    dev: Corpus
    out: Path
    seed: int = 0
    max_steps: int | None = None
    workers: int = 0

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        steps = self.recipe.training.epochs * self.steps_per_epoch
        return steps if self.max_steps is None else self.max_steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the training partition."""
        config = self.recipe.training
        return batches_per_epoch(len(self.train.table) * config.crops_per_clip, config.batch_size)

    @property
    def num_epochs(self) -> int:
        """Passes that are begun; the last may be cut short by ``max_steps``."""
        return math.ceil(self.total_steps / self.steps_per_epoch)

    @property
    def state(self) -> Path:
        """The file from which the run resumes."""
        return self.out / "state" / "last.ckpt"


def train(run: Run, *, resume: bool = False, on_progress: Progress = lambda step, total, dev_eer: None) -> Path:
    """Train, or go on training.

    Args:
        run: what to train, on what, into which folder.
        resume: go on from the folder's state if there is one; without it a folder that holds a run is refused.
        on_progress: called with step, total steps and the last dev EER (nan before the first).

    Returns:
        The model file with the lowest dev EER.

    Raises:
        TrainingError: a class is missing, the folder holds another run, or the loss is not finite.
    """
    _require_both_classes(run)
    _claim_folder(run, resume)
    _quieten_lightning()
    learner = Learner(run.recipe, total_steps=run.total_steps, seed=run.seed)
    trainer = lightning.Trainer(
        accelerator="auto",
        devices=1,
        # Not max_steps: with it Lightning believes that a finished epoch was cut off, and repeats its end.
        max_epochs=run.num_epochs,
        callbacks=[_Keeper(run, on_progress)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=run.out,
    )
    state = str(run.state) if resume and run.state.is_file() else None
    trainer.fit(learner, datamodule=_Data(run), ckpt_path=state, weights_only=True)
    return run.out / "best.safetensors"


def _quieten_lightning() -> None:
    """Which devices there are, and how Lightning calls PyTorch, is not what a person asked."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    # A frozen stream is in eval mode for good, and means it.
    warnings.filterwarnings("ignore", message="Found .* in eval mode at the start of training")


class _Data(lightning.LightningDataModule):
    """Batches of the epoch that the trainer is in, and the dev partition in order."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def train_dataloader(self) -> DataLoader[Any]:
        run, trainer, config = self.run, self.trainer, self.run.recipe.training
        epoch = trainer.current_epoch if trainer is not None else 0
        clips = Clips(run.train, config.crop_samples, seed=run.seed)
        batches = ShuffledBatches(
            len(clips),
            config.crops_per_clip,
            config.batch_size,
            seed=run.seed,
            epoch=epoch,
            num_batches=min(run.steps_per_epoch, run.total_steps - epoch * run.steps_per_epoch),
        )
        return DataLoader(clips, batch_sampler=batches, num_workers=run.workers)

    def val_dataloader(self) -> DataLoader[Any]:
        run = self.run
        clips = Clips(run.dev, run.recipe.training.num_samples, seed=None)
        positions = [(0, row) for row in range(len(clips))]
        return DataLoader(clips, sampler=positions, batch_size=run.recipe.training.batch_size, num_workers=run.workers)


class _Keeper(CheckpointCallback):
    """Keeps the best and the last weights, the table of epochs, and the state to resume from.

    Being a checkpoint callback, it is called last at the end of an epoch, after the learner and the dev pass.
    """

    def __init__(self, run: Run, on_progress: Progress) -> None:
        self.run, self.on_progress = run, on_progress
        self.epochs: list[dict[str, float]] = []
        self.dev_eer = math.nan

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know of its past."""
        return {"epochs": self.epochs}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a run where its state was written."""
        self.epochs = state_dict["epochs"]
        self.dev_eer = self.epochs[-1]["dev_eer"] if self.epochs else math.nan

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.on_progress(trainer.global_step, self.run.total_steps, self.dev_eer)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write everything down."""
        best_before = min((epoch["dev_eer"] for epoch in self.epochs), default=math.inf)
        self.dev_eer = pl_module.dev_eer
        rate = trainer.optimizers[0].param_groups[-1]["lr"]
        self.epochs.append(
            {"step": trainer.global_step, "loss": pl_module.mean_loss, "dev_eer": self.dev_eer, "learning_rate": rate}
        )
        checkpoint = self._checkpoint(pl_module, trainer.global_step)
        save_checkpoint(checkpoint, self.run.out / "last.safetensors")
        if self.dev_eer < best_before:
            save_checkpoint(checkpoint, self.run.out / "best.safetensors")
        write_atomically(self.run.out / "metrics.csv", _as_csv(self.epochs))
        self._save_state(trainer)

    def _checkpoint(self, learner: Learner, step: int) -> Checkpoint:
        selection = {
            "partition": Partition.DEV.value,
            "metric": "eer",
            "value": self.dev_eer,
            "step": step,
            "corpus": self.run.dev.kind,
        }
        recipe = self.run.recipe
        return Checkpoint.of(learner.model, recipe.name, recipe.model, selection, recipe.training.num_samples)

    def _save_state(self, trainer: lightning.Trainer) -> None:
        """Last of all, and atomically: a kill before it repeats the epoch, with the same outcome."""
        fresh = self.run.state.with_suffix(".new")
        trainer.save_checkpoint(fresh)
        fresh.replace(self.run.state)


def _as_csv(rows: list[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _require_both_classes(run: Run) -> None:
    for corpus, wanted in ((run.train, Partition.TRAIN), (run.dev, Partition.DEV)):
        partitions = set(corpus.table["partition"].to_list())
        labels = set(corpus.table["label"].to_list())
        if partitions != {wanted.value} or labels != set(Label):
            raise TrainingError(
                f"partitions {sorted(map(str, partitions))} with labels {sorted(map(str, labels))} given as {wanted}",
                wanted=f"utterances of the {wanted} partition, bona fide and spoof",
                remedy="`mma corpus check` shows what the corpus holds",
            )


def _claim_folder(run: Run, resume: bool) -> None:
    """Write ``run.json``, or see that the folder holds this very run."""
    record = _record(run)
    path = run.out / "run.json"
    if path.is_file():
        found = json.loads(path.read_text())
        if not resume:
            raise TrainingError(f"{run.out} already holds a run", remedy="--resume to go on with it, or another --out")
        changed = [key for key in record["asked"] if record["asked"][key] != found["asked"].get(key)]
        if changed:
            raise TrainingError(
                f"{run.out} holds a run with other {', '.join(changed)}", remedy="the same options, or another --out"
            )
    else:
        run.state.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _record(run: Run) -> dict[str, Any]:
    return {
        "asked": {
            "recipe": json.loads(run.recipe.model_dump_json()),
            "corpus": run.train.kind,
            "train_clips": len(run.train.table),
            "dev_clips": len(run.dev.table),
            "seed": run.seed,
            "max_steps": run.max_steps,
        },
        "versions": {
            "moe-mamba-asv": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "command": shlex.join(sys.argv),
    }
