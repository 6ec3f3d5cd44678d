"""One optimiser step on any number of devices, taken whole or not at all."""

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning
import numpy as np
import torch
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor

from moe_mamba_asv.errors import NonFiniteError
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.config import TrainingConfig
from moe_mamba_asv.training.data.rawboost_batch import boosted
from moe_mamba_asv.training.finetune.rates import hold_back, parameter_groups
from moe_mamba_asv.training.guards import Fault, NormMemory, fault_in_answer, name_culprit, not_finite
from moe_mamba_asv.training.learner import Learner
from moe_mamba_asv.training.mixup import mixup
from moe_mamba_asv.training.pieces import clip_by_norm, whole
from moe_mamba_asv.training.sharding import forget_pass, is_sharded

#: Last words of the keys of draws, so that mixtures and dropout share no generator.
_MIXUP = 3


class Stepper:
    """Model, objective and optimiser.

    Args:
        fabric: launched.
        model: with its first weights.
        config: of the training.
        total_steps: of the run, which the cosine of the learning rates spans.
        seed: of everything random; a step draws from it, its number and the micro-batch alone.
        compiled: whether PyTorch compiles the model.
    """

    def __init__(
        self,
        fabric: lightning.Fabric,
        model: Detector,
        config: TrainingConfig,
        *,
        total_steps: int,
        seed: int,
        compiled: bool = False,
    ) -> None:
        self.fabric, self.model, self.config = fabric, model, config
        self.total_steps, self.seed = total_steps, seed
        learner = Learner(model, config)
        is_to_shard = isinstance(fabric.strategy, ModelParallelStrategy)
        self._copy = copy.deepcopy(model) if is_to_shard and fabric.is_global_zero else None
        module: Any = torch.compile(learner) if compiled else learner
        self.learner = fabric.setup_module(module)
        # Behind the set-up, which may put parts of them in the place of the parameters.
        self.groups = parameter_groups(model, config.finetune, config.learning_rate, config.ssl_learning_rate)
        self._trained = [(name, one) for name, one in model.named_parameters() if one.requires_grad]
        optimizer = torch.optim.Adam(
            [{"params": group.parameters} for group in self.groups],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.optimizer: Any = fabric.setup_optimizers(optimizer)

    def step(self, number: int, parts: Sequence[Batch], *, rate_factor: float = 1.0) -> dict[str, float] | Fault:
        """Take a step.

        Args:
            number: of the step, from 0.
            parts: micro-batches of this device.
            rate_factor: all learning rates are multiplied by this.

        Returns:
            What is logged: ``loss``, its terms, ``gradient_norm``; or a fault, and then nothing has changed.
        """
        self.learner.train()
        self.optimizer.zero_grad(set_to_none=True)
        memory, values, shown = NormMemory(self.model), {}, []
        for part, batch in enumerate(parts):
            with self.fabric.no_backward_sync(self.learner, enabled=part + 1 < len(parts)):
                fault = self._accumulate(number, part, batch, len(parts), values, shown)
            if fault is not None:
                memory.restore()
                return fault
        hold_back(self.groups, number / self.total_steps)
        limit = math.inf if self.config.clip_gradient is None else self.config.clip_gradient
        norm = clip_by_norm([parameter for _, parameter in self._trained], limit)
        if not torch.isfinite(norm):
            memory.restore()
            culprit = self._first_of_all(not_finite((name, parameter.grad) for name, parameter in self._trained))
            return Fault("gradient", culprit or "the norm of the whole", self._all_rows(parts))
        for group, settings in zip(self.groups, self.optimizer.param_groups, strict=True):
            settings["lr"] = rate_factor * self.rate(group.rate, number)
        self.optimizer.step()
        for embedding, attacks in shown:
            self.model.observe(embedding, attacks)
        return {**values, "gradient_norm": norm.item()}

    def rate(self, first: float, number: int) -> float:
        """Learning rate at a step: a cosine from ``first`` down to the same fraction of it for every group."""
        floor = self.config.min_learning_rate / self.config.learning_rate
        progress = min(number / self.total_steps, 1.0)
        return first * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)

    def broken_weights(self) -> Fault | None:
        """A fault if a trained weight, or a running statistic, is not finite."""
        named = [*self._trained, *((name, one) for name, one in self.model.named_buffers() if one.is_floating_point())]
        culprit = self._first_of_all(not_finite(named))
        return None if culprit is None else Fault("weights", culprit)

    def whole_model(self) -> Detector:
        """The model as it is to be written by the first device; all call this at once.

        A model that is cut up among devices is put together in a copy in the first one's main memory.
        """
        if not is_sharded(self.model):
            return self.model
        state = whole(self.model.state_dict())
        if self._copy is None:
            return self.model
        self._copy.load_state_dict(state)
        return self._copy

    def _accumulate(
        self,
        number: int,
        part: int,
        batch: Batch,
        num_parts: int,
        values: dict[str, float],
        shown: list[tuple[Tensor, Tensor]],
    ) -> Fault | None:
        """Forward and backward of a micro-batch; adds what is logged to ``values``, and what was seen to ``shown``."""
        key = [self.seed, number, part * self.fabric.world_size + self.fabric.global_rank]
        if self.config.augment_on_device:
            batch = boosted(batch, self.config.augment[0], self.seed, number)
        if self.config.mixup is not None:
            batch = mixup(batch, self.config.mixup, np.random.default_rng([*key, _MIXUP]))

        def forward() -> dict[str, Any]:
            torch.manual_seed(int(np.random.default_rng(key).integers(2**31)))
            return self.learner(*batch.tensors())

        what, answer = None, {}
        try:
            answer = forward()
            what = fault_in_answer(answer)
        except NonFiniteError:
            what = "loss"
        if self._first_of_all(what) is not None:
            return self._named(what, forward, batch)
        self.fabric.backward(answer["loss"] / num_parts)
        shown.append((answer["embedding"], batch.attacks))
        for name, value in [("loss", answer["loss"].detach()), *answer["terms"].items()]:
            values[name] = values.get(name, 0.0) + value.item() / num_parts
        return None

    def _named(self, what: str | None, forward: Callable[[], Any], batch: Batch) -> Fault:
        """Where a forward pass broke; it runs again on all devices, as a model in parts runs on none alone."""
        forget_pass(self.model)
        culprit = name_culprit(self.model, forward, batch.waveforms)
        forget_pass(self.model)
        first, culprit = self._first_of_all(None if what is None else (what, culprit))
        return Fault(first, culprit, self._all_rows([batch]))

    def _all_rows(self, parts: Sequence[Batch]) -> tuple[int, ...]:
        """Rows of these micro-batches on all devices."""
        own = [row for batch in parts for row in batch.rows.tolist()]
        return tuple(sorted(row for rows in self._of_all(own) for row in rows))

    def _first_of_all(self, own: Any) -> Any:
        """What the first device that has something to say says; None if there is none."""
        return next((said for said in self._of_all(own) if said is not None), None)

    def _of_all(self, own: Any) -> list[Any]:
        """What each device has to say, the same list on all."""
        if self.fabric.world_size == 1:
            return [own]
        said: list[Any] = [None] * self.fabric.world_size
        torch.distributed.all_gather_object(said, own)
        return said
