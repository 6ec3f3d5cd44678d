"""Where a pre-training run stands, and the tables that say so."""

import csv
import io
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.scores.table import write_atomically
from moe_mamba_asv.training.pretrain.predictor import MaskedPredictor
from moe_mamba_asv.training.pretrain.stepper import MaskedStepper


@dataclass
class Progress:
    """Counters of a run, and what is to be told of it.

    Attributes:
        step: steps done, those that were skipped among them.
        skipped: steps skipped in all.
        in_a_row: steps skipped since the last that was taken.
        rows: of ``metrics.csv``, one for each state.
        events: steps that were skipped, and why.
        unreadable: reason by name, of files that could not be read.
    """

    step: int = 0
    skipped: int = 0
    in_a_row: int = 0
    rows: list[dict[str, float | None]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)


def save_state(path: Path, stepper: MaskedStepper, progress: Progress) -> None:
    """Write all that a resumed run needs, in one file, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    state = {
        "weights": _moving(stepper.predictor),
        "optimizer": stepper.optimizer.state_dict(),
        "progress": asdict(progress),
    }
    torch.save(state, fresh)
    fresh.replace(path)


def load_state(path: Path, stepper: MaskedStepper) -> Progress:
    """Read a state, and put it into predictor and optimiser.

    Raises:
        TrainingError: the state is of another model.
    """
    state = torch.load(path, map_location=stepper.device, weights_only=True)
    held = _moving(stepper.predictor)
    if held.keys() != state["weights"].keys():
        raise TrainingError(
            f"{path} holds other weights than this model: {sorted(held.keys() ^ state['weights'].keys())[:5]} …",
            remedy="another --out for another model",
        )
    with torch.no_grad():
        for name, tensor in state["weights"].items():
            held[name].copy_(tensor)
    stepper.optimizer.load_state_dict(state["optimizer"])
    return Progress(**state["progress"])


def _moving(predictor: MaskedPredictor) -> dict[str, Tensor]:
    """What training changes: trained parameters, and all statistics."""
    trained = {name: one.detach() for name, one in predictor.named_parameters() if one.requires_grad}
    return trained | dict(predictor.named_buffers())


def write_records(out: Path, progress: Progress) -> None:
    """Write ``metrics.csv``, and where there is something to say, ``events.jsonl`` and ``unreadable.csv``."""
    write_atomically(out / "metrics.csv", _as_csv(progress.rows))
    if progress.events:
        write_atomically(out / "events.jsonl", "".join(f"{json.dumps(event)}\n" for event in progress.events))
    if progress.unreadable:
        rows = [{"file": file, "reason": reason} for file, reason in sorted(progress.unreadable.items())]
        write_atomically(out / "unreadable.csv", _as_csv(rows))


def _as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
