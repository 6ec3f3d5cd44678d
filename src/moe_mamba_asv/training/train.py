"""Train a detector: start a run, stop it anywhere, resume it, end with the same weights.

A run folder holds ``run.json`` (what was asked), ``best.safetensors`` (the best on dev), ``last.safetensors``,
``metrics.csv`` (a row an epoch), ``steps.csv``, ``events.jsonl`` (numbers that were not finite), ``tensorboard/`` and
``state/last.ckpt`` (everything that resuming needs).
"""

import json
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning
import torch

from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.config import TrainingConfig
from moe_mamba_asv.training.data.batches import Plan
from moe_mamba_asv.training.data.cache import open_store
from moe_mamba_asv.training.data.clips import Clips
from moe_mamba_asv.training.data.features import open_features
from moe_mamba_asv.training.data.mixture import Mixture
from moe_mamba_asv.training.dev import Dev
from moe_mamba_asv.training.finetune.freezing import apply_freezing
from moe_mamba_asv.training.finetune.warm_start import start_from
from moe_mamba_asv.training.loop import Loop
from moe_mamba_asv.training.processes import parting
from moe_mamba_asv.training.records.claim import claim_folder, digest_of, facts_of, note_end
from moe_mamba_asv.training.records.tables import Records
from moe_mamba_asv.training.run import Report, Run
from moe_mamba_asv.training.sharding import sharding_strategy
from moe_mamba_asv.training.stepper import Stepper


def _silent(step: int, total: int, dev_eer: float) -> None:
    """A report that nobody reads."""


def train(run: Run, *, resume: bool = False, report: Report = _silent) -> Path:
    """Train, or go on training.

    Args:
        run: what to train, on what, into which folder.
        resume: go on from the folder's state if there is one; without it a folder that holds a run is refused.
        report: told after each step.

    Returns:
        The model file with the lowest EER on dev.

    Raises:
        TrainingError: the folder holds another run, or numbers are not finite whatever is tried.
        ConfigError: a strategy that cannot train this.
    """
    return train_in_turn((run,), resume=resume, report=report)[0]


def train_in_turn(runs: Sequence[Run], *, resume: bool = False, report: Report = _silent) -> list[Path]:
    """As `train`, one run after the other in the same processes; they have the devices of the first."""
    _quieten_lightning()
    run = runs[0]
    fabric = lightning.Fabric(
        accelerator=run.accelerator,
        devices=run.devices,
        num_nodes=run.nodes,
        strategy=sharding_strategy(run) if run.strategy == "fsdp" else run.strategy,
        precision=_precision(run.recipe.training, run.accelerator),
    )
    return fabric.launch(partial(_train, runs=runs, resume=resume, report=report))


def _train(fabric: lightning.Fabric, runs: Sequence[Run], resume: bool, report: Report) -> list[Path]:
    """On each device."""
    with parting(fabric):
        return [_train_one(fabric, run, resume, report) for run in runs]


def _train_one(fabric: lightning.Fabric, run: Run, resume: bool, report: Report) -> Path:
    with Records(run.out, run.loggers, is_written=fabric.is_global_zero) as records:
        if fabric.is_global_zero:
            claim_folder(run.out, _asked(run), facts_of(run.train, run.dev), resume=resume)
        fabric.barrier()
        best = _loop(fabric, run, records).train(resume=resume, report=report)
        if fabric.is_global_zero:
            note_end(run.out)
    return best


def _loop(fabric: lightning.Fabric, run: Run, records: Records) -> Loop:
    """All that a loop needs."""
    config, model = run.recipe.training, _model(fabric, run)
    crop_samples = config.num_samples if config.frozen_features else config.crop_samples
    mixture, clips = _clips(fabric, run, model, Mixture(run.train, run.weights), crop_samples, run.seed)
    plan = Plan(
        mixture, config.sampling, batch_size=config.batch_size, crops_per_clip=config.crops_per_clip, seed=run.seed
    )
    held_out, dev_clips = _clips(fabric, run, model, Mixture(run.dev), config.num_samples, None)
    dev = Dev(fabric, held_out, dev_clips, batch_size=config.batch_size, workers=run.workers)
    total_steps = run.total_steps(plan.steps_per_epoch)
    stepper = Stepper(fabric, model, config, total_steps=total_steps, seed=run.seed, compiled=run.compiled)
    return Loop(run, fabric, stepper, mixture=mixture, plan=plan, clips=clips, dev=dev, records=records)


def _model(fabric: lightning.Fabric, run: Run) -> Detector:
    """The model as training begins: its first weights, and what is frozen of it."""
    finetune = run.recipe.training.finetune
    torch.manual_seed(run.seed)
    model = build_model(run.recipe.model)
    if finetune.start is not None:
        start_from(model, finetune)
    apply_freezing(model, finetune)
    fabric.to_device(model)
    return model


def _clips(
    fabric: lightning.Fabric, run: Run, model: Detector, mixture: Mixture, num_samples: int, seed: int | None
) -> tuple[Mixture, Clips]:
    """Clips of a partition: decoded, and with what frozen layers answer, where there is a folder to keep them in."""
    config = run.recipe.training
    augmentations = () if config.augment_on_device else config.augment
    clips = partial(Clips, mixture, num_samples, seed=seed, augmentations=augmentations, vocoded=config.vocoded)
    if run.cache is None:
        return mixture, clips()
    with fabric.rank_zero_first():  # one decodes, the others find it done
        store = open_store(mixture.table, run.cache, lambda done, total: None)
    features = None
    if config.frozen_features:  # all devices share the work
        features = open_features(model, mixture, num_samples, run.cache, store=store, device=fabric.device)
    return mixture.with_durations(store.duration_s), clips(store=store, features=features)


def _asked(run: Run) -> dict[str, Any]:
    """What another run in the same folder must not change."""
    return {
        "recipe": json.loads(run.recipe.model_dump_json()),
        "corpora": [corpus.kind for corpus in run.train],
        "weights": run.weights,
        "train": [digest_of(corpus) for corpus in run.train],
        "dev": [digest_of(corpus) for corpus in run.dev],
        "train_clips": sum(len(corpus.table) for corpus in run.train),
        "dev_clips": sum(len(corpus.table) for corpus in run.dev),
        "seed": run.seed,
        "max_steps": run.max_steps,
    }


def _precision(config: TrainingConfig, accelerator: str) -> Literal["32-true", "bf16-mixed"]:
    """Weights are float32 either way; so are those of the scan, whose arithmetic is float32 as well."""
    able = accelerator != "cpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    in_bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and able)
    return "bf16-mixed" if in_bfloat16 else "32-true"


def precision_warning(config: TrainingConfig, accelerator: str) -> str | None:
    """What to know of a precision that this machine computes the long way; None where there is nothing."""
    is_on_cpu = accelerator == "cpu" or not torch.cuda.is_available()
    if config.precision != "bfloat16" or not is_on_cpu or torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return None
    return (
        "training.precision=bfloat16 on a processor that has no arithmetic for it: many times slower than float32; "
        "--set training.precision=float32"
    )


def _quieten_lightning() -> None:
    """Which devices there are, and how Lightning calls PyTorch, is not what a person asked."""
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
