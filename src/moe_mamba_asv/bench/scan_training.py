"""What the scan means for training: steps of a BiMamba on the CPU, with ours and with mamba-ssm's reference inside."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, silu, softplus

from moe_mamba_asv.bench.contenders import REFERENCE
from moe_mamba_asv.bench.peers import mamba_ssm_reference
from moe_mamba_asv.bench.problem import Size
from moe_mamba_asv.bench.worker import Failure, Surroundings, Worker
from moe_mamba_asv.models.backends import mamba
from moe_mamba_asv.models.backends.bimamba import BiMamba, BiMambaConfig
from moe_mamba_asv.models.backends.mamba import MambaConfig

OURS = ("native", "chunked")
_LIMIT_S = 3600.0


@dataclass(frozen=True)
class ScanTrainingPlan:
    """What to train. As it comes: four-second clips in frames of 20 ms, four blocks of two directions.

    Attributes:
        steps: with each of ours.
        reference_steps: with mamba-ssm's reference, which takes its time.
        threads: of one operation; None leaves PyTorch's own number.
        batch, frames, width: of what the model is given.
        blocks: of the model.
    """

    steps: int = 100
    reference_steps: int = 2
    threads: int | None = None
    batch: int = 12
    frames: int = 201
    width: int = 144
    blocks: int = 4


@dataclass(frozen=True)
class ScanTrainingRow:
    """One implementation of the scan in the same model, from the same weights, on the same batches.

    Attributes:
        steps: that were timed, after one that was not.
        seconds: that they took together; None where it was not measured, and then ``note`` says why.
        ms_per_step: their mean.
        last_loss: cross-entropy of the last step; equal for all that ran as many steps, up to rounding.
    """

    implementation: str
    steps: int
    seconds: float | None
    ms_per_step: float | None
    last_loss: float | None
    note: str = ""


def bench_scan_training(
    plan: ScanTrainingPlan, on_row: Callable[[ScanTrainingRow], None] = lambda row: None
) -> list[ScanTrainingRow]:
    """Train by each of our scans and by the reference; each in a process of its own."""
    rows = []
    for name, count in (*((name, plan.steps) for name in OURS), (REFERENCE, plan.reference_steps)):
        worker: Worker[int, tuple[float, float]] = Worker(partial(_prepare, name, plan), Surroundings(plan.threads))
        try:
            found = worker.ask(count, _LIMIT_S)
        finally:
            worker.kill()
        if isinstance(found, Failure):
            row = ScanTrainingRow(name, 0, None, None, None, found.reason)
        else:
            seconds, loss = found
            note = "" if math.isfinite(loss) else "the loss is not finite"
            row = ScanTrainingRow(name, count, seconds, 1000 * seconds / count, None if note else loss, note)
        rows.append(row)
        on_row(row)
    return rows


def _prepare(name: str, plan: ScanTrainingPlan) -> Callable[[int], tuple[float, float]]:
    if name == REFERENCE:
        # This process is there for this measurement alone, so the block may be given another scan.
        mamba.selective_scan = _reference_scan  # pyright: ignore[reportAttributeAccessIssue]
    block = MambaConfig.model_validate({"scan": "auto" if name == REFERENCE else name})
    return partial(_train, BiMambaConfig(num_blocks=plan.blocks, dropout=0, mamba=block), plan)


def _train(config: BiMambaConfig, plan: ScanTrainingPlan, steps: int) -> tuple[float, float]:
    """Seconds of the steps after the first, and the last loss."""
    torch.manual_seed(0)
    model, head = BiMamba(plan.width, config), nn.Linear(plan.width, 2)
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], 1e-4)
    labels = torch.arange(plan.batch) % 2
    started, loss = 0.0, torch.zeros(())
    for step in range(steps + 1):
        if step == 1:
            started = time.perf_counter()
        loss = cross_entropy(head(model(torch.randn(plan.batch, plan.frames, plan.width)).frames.mean(1)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return time.perf_counter() - started, loss.item()


def _reference_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor,
    delta_bias: Tensor,
    **_: object,
) -> tuple[Tensor, Tensor | None]:
    """mamba-ssm's reference as the block calls a scan: whole clips, so the state at either end is of no interest."""
    size = Size(u.shape[0], u.shape[2], u.shape[1], A.shape[1])
    y = mamba_ssm_reference(size)(u, softplus(delta + delta_bias[:, None]), A, B, C, D)
    return y * silu(z), None
