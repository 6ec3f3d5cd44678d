"""Weights averaged over the steps or epochs of a run.

Averaged are the entries of a state dict that training can change: trained parameters and buffers. Whole numbers, such
as a batch norm's count of batches, are the newest instead. Running statistics of batch norms are averaged as weights
are; the papers compute them anew from the training data, which costs another pass.

Low-rank adapters are averaged factor by factor, which is near the mean of their products where the factors are near
each other, as those of one run are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.checkpoint import differences
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.pieces import cut_like
from moe_mamba_asv.training.weights import (
    copied_to_main_memory,
    interpolate,
    move_towards,
    swapped,
    trained_entries,
)

__all__ = [
    "Average",
    "AveragingConfig",
    "BestAverage",
    "BestAveraging",
    "EmaAveraging",
    "ExponentialAverage",
    "LateAverage",
    "NoAveraging",
    "SwaAveraging",
    "build_average",
    "interpolate",
    "swapped",
]


class NoAveraging(BaseModel):
    """The weights as they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["none"] = "none"


class EmaAveraging(BaseModel):
    """Exponential moving average over steps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ema"] = "ema"
    decay: float = Field(
        default=0.999, ge=0, lt=1, description="share of the old mean in the new; (1 + n) / (10 + n) where that is less"
    )


class SwaAveraging(BaseModel):
    """Equal mean over the last epochs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["swa"] = "swa"
    start: float = Field(
        default=0.75, ge=0, lt=1, description="share of the run's steps behind which each end of an epoch counts"
    )


class BestAveraging(BaseModel):
    """Equal mean over the best epochs on dev."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["best"] = "best"
    k: int = Field(default=5, ge=1, description="how many epochs")


AveragingConfig = Annotated[NoAveraging | EmaAveraging | SwaAveraging | BestAveraging, Field(discriminator="kind")]


class Average:
    """What a run may ask of a mean of weights; this one keeps none."""

    def update_step(self, model: Detector, step: int) -> None:
        """Hear of weights after a step.

        Args:
            model: on its device.
            step: how many steps of the run are done.
        """

    def update_epoch(self, model: Detector, dev_eer: float) -> None:
        """Hear of weights at the end of an epoch, after its last step, with their EER on dev."""

    def running_weights(self) -> dict[str, Tensor] | None:
        """A mean that takes the place of the weights at the end of every epoch; None if there is none.

        Not a copy: it holds until the next update.
        """
        return None

    def final_weights(self) -> dict[str, Tensor] | None:
        """A mean that is there at the end of the run, beside the epochs' own weights; None if there is none.

        Not a copy: it holds until the next update.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """All that the average goes on from, as tensors in nested dicts."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, bit by bit as the average that it was taken from would have.

        Raises:
            TrainingError: the state is of another kind of average, or of another model.
        """
        self._require_keys(state, set())

    def _require_keys(self, state: Mapping[str, Any], wanted: set[str]) -> None:
        if state.keys() != wanted:
            raise TrainingError(
                f"an average with a state of {sorted(state)}, wanted {sorted(wanted)}",
                remedy="resume with the recipe that the run was started with",
            )


class ExponentialAverage(Average):
    """mean ← d · mean + (1 - d) · weights after each step, with d = min(decay, (1 + n) / (10 + n)) at the n-th.

    The mean starts as the weights are; n counts from 0, so the first step makes it nine tenths new, and where a run
    started is soon forgotten. It is kept on the weights' device.

    Source: Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992, for the idea; the
    warm-up is that of TensorFlow's ``ExponentialMovingAverage``.

    Args:
        config: the decay.
        model: with the weights that the run starts from.
    """

    def __init__(self, config: EmaAveraging, model: Detector) -> None:
        self.config, self._updates = config, 0
        self._mean = {name: tensor.clone() for name, tensor in trained_entries(model).items()}

    def update_step(self, model: Detector, step: int) -> None:
        """See `Average.update_step`; a step that was skipped is not heard of."""
        decay = min(self.config.decay, (1 + self._updates) / (10 + self._updates))
        move_towards(self._mean, trained_entries(model), 1 - decay)
        self._updates += 1

    def running_weights(self) -> dict[str, Tensor]:
        """See `Average.running_weights`."""
        return self._mean

    def state_dict(self) -> dict[str, Any]:
        """See `Average.state_dict`."""
        return {"updates": torch.tensor(self._updates), "weights": dict(self._mean)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Average.load_state_dict`."""
        self._require_keys(state, {"updates", "weights"})
        different = differences(self._mean, state["weights"])
        if different:
            raise TrainingError(
                f"the average of another model, {different}",
                remedy="resume with the recipe that the run was started with",
            )
        self._updates = int(state["updates"])
        for name, tensor in state["weights"].items():
            self._mean[name].copy_(cut_like(tensor, self._mean[name]))


class LateAverage(Average):
    """Equal mean of the weights at the end of each epoch that ends later than a share of the run; in main memory.

    Source: Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018 (SWA).
    Differs from it: the learning rate keeps its schedule; batch-norm statistics are averaged, see the module.

    Args:
        config: from when on.
        total_steps: of the run.
    """

    def __init__(self, config: SwaAveraging, total_steps: int) -> None:
        self._first_step = config.start * total_steps
        self._step, self._count = 0, 0
        self._mean: dict[str, Tensor] = {}

    def update_step(self, model: Detector, step: int) -> None:
        """See `Average.update_step`."""
        self._step = step

    def update_epoch(self, model: Detector, dev_eer: float) -> None:
        """See `Average.update_epoch`."""
        if self._step <= self._first_step:
            return
        self._count += 1
        if self._count == 1:
            self._mean = copied_to_main_memory(trained_entries(model))
        else:
            move_towards(self._mean, trained_entries(model), 1 / self._count)

    def final_weights(self) -> dict[str, Tensor] | None:
        """See `Average.final_weights`."""
        return self._mean if self._count else None

    def state_dict(self) -> dict[str, Any]:
        """See `Average.state_dict`."""
        return {"step": torch.tensor(self._step), "count": torch.tensor(self._count), "weights": dict(self._mean)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Average.load_state_dict`."""
        self._require_keys(state, {"step", "count", "weights"})
        self._step, self._count = int(state["step"]), int(state["count"])
        self._mean = copied_to_main_memory(state["weights"])


@dataclass(frozen=True)
class _Epoch:
    number: int
    dev_eer: float
    weights: dict[str, Tensor]


class BestAverage(Average):
    """Equal mean of the weights at the end of the k epochs with the lowest EER on dev, the earlier of equals.

    All k are kept, in main memory and in the state of the run. Batch-norm statistics are averaged, see the module.

    Args:
        config: how many.
    """

    def __init__(self, config: BestAveraging) -> None:
        self.config, self._seen = config, 0
        self._kept: list[_Epoch] = []

    def update_epoch(self, model: Detector, dev_eer: float) -> None:
        """See `Average.update_epoch`."""
        self._seen += 1
        if len(self._kept) == self.config.k:
            worst = max(self._kept, key=lambda epoch: (epoch.dev_eer, epoch.number))
            if dev_eer >= worst.dev_eer:
                return
            self._kept.remove(worst)
        self._kept.append(_Epoch(self._seen, dev_eer, copied_to_main_memory(trained_entries(model))))

    def final_weights(self) -> dict[str, Tensor] | None:
        """See `Average.final_weights`; computed anew each time."""
        if not self._kept:
            return None
        mean = copied_to_main_memory(self._kept[0].weights)
        for count, epoch in enumerate(self._kept[1:], start=2):
            move_towards(mean, epoch.weights, 1 / count)
        return mean

    def state_dict(self) -> dict[str, Any]:
        """See `Average.state_dict`."""
        return {
            "seen": torch.tensor(self._seen),
            "numbers": torch.tensor([epoch.number for epoch in self._kept], dtype=torch.int64),
            "dev_eers": torch.tensor([epoch.dev_eer for epoch in self._kept], dtype=torch.float64),
            "weights": {str(epoch.number): dict(epoch.weights) for epoch in self._kept},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `Average.load_state_dict`."""
        self._require_keys(state, {"seen", "numbers", "dev_eers", "weights"})
        self._seen = int(state["seen"])
        pairs = zip(state["numbers"].tolist(), state["dev_eers"].tolist(), strict=True)
        self._kept = [_Epoch(one, eer, copied_to_main_memory(state["weights"][str(one)])) for one, eer in pairs]


def build_average(config: AveragingConfig, model: Detector, total_steps: int) -> Average:
    """Begin an average.

    Args:
        config: which.
        model: on its device, with the weights that the run starts from, frozen where it is to be.
        total_steps: of the run.
    """
    match config:
        case NoAveraging():
            return Average()
        case EmaAveraging():
            return ExponentialAverage(config, model)
        case SwaAveraging():
            return LateAverage(config, total_steps)
        case BestAveraging():
            return BestAverage(config)
