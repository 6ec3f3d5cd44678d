"""Where a run stands: all that a resumed run needs, in one file that is written at once."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.checkpoint import own_weights
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.pieces import cut_like


@dataclass
class Progress:
    """Counters of a run.

    Attributes:
        step: steps done, those that were skipped among them.
        in_a_row: steps skipped since the last that was taken.
        skipped: steps skipped in all.
        roll_backs: returns to an earlier state.
        sums: of each logged value over the steps of this epoch.
        summed: how many steps are in them.
        epochs: a row for each epoch so far.
    """

    step: int = 0
    in_a_row: int = 0
    skipped: int = 0
    roll_backs: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0
    epochs: list[dict[str, float]] = field(default_factory=list)

    def add(self, values: Mapping[str, float]) -> None:
        """Sum up one step."""
        self.summed += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def means(self) -> dict[str, float]:
        """Means over this epoch so far, and begin the next."""
        means = {name: total / self.summed for name, total in self.sums.items()}
        self.sums, self.summed = {}, 0
        return means

    def best_epochs(self, count: int) -> list[int]:
        """Steps at the end of the epochs with the lowest EER on dev, the lowest first; the earlier of equals."""
        ranked = sorted(self.epochs, key=lambda epoch: (epoch["dev_eer"], epoch["step"]))
        return [int(epoch["step"]) for epoch in ranked[:count]]


def save_state(path: Path, model: Detector, progress: Progress, **others: Mapping[str, Any]) -> None:
    """Write a state, atomically.

    Args:
        path: of the file.
        model: its weights are kept, but for those that are frozen and have a source of their own.
        progress: counters.
        others: states by name: of the optimiser, of an average.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    torch.save({"weights": own_weights(model), "progress": asdict(progress), **others}, fresh)
    fresh.replace(path)


def load_state(path: Path, model: Detector, device: torch.device) -> tuple[Progress, dict[str, Any]]:
    """Read a state and put its weights into the model, cut up as that is.

    Returns:
        The counters, and the other states by name.

    Raises:
        TrainingError: the state is of another model.
    """
    state = torch.load(path, map_location=device, weights_only=True)
    weights = state.pop("weights")
    wanted = own_weights(model).keys()
    if weights.keys() != wanted:
        raise TrainingError(
            f"{path} holds other weights than this model: {sorted(weights.keys() ^ wanted)[:5]} …",
            remedy="resume with the recipe that the run was started with",
        )
    with torch.no_grad():
        _copy(model, weights)
    return Progress(**state.pop("progress")), state


def _copy(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    held = model.state_dict()
    for name, tensor in weights.items():
        held[name].copy_(cut_like(tensor, held[name]))
