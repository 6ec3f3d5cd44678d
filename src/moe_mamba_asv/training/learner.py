"""What a step makes small: a model and the terms of its objective, as one module that runs on any number of devices."""

from typing import Any

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.adversarial import adversarial_terms
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.config import TrainingConfig
from moe_mamba_asv.training.finetune.freezing import keep_modes
from moe_mamba_asv.training.finetune.warm_start import Start
from moe_mamba_asv.training.losses.objective import objective_terms


class Learner(nn.Module):
    """The objective of a model on a batch.

    Args:
        model: to be trained, with its first weights.
        config: of the training.
    """

    def __init__(self, model: Detector, config: TrainingConfig) -> None:
        super().__init__()
        self.model, self.config = model, config
        # Not a module: what training started from is no part of what it learns.
        self._start = Start(model, config.finetune) if config.objective.l2_sp else None

    def train(self, mode: bool = True) -> "Learner":
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if mode:
            keep_modes(self.model, self.config.finetune)
        return self

    def forward(self, *tensors: Tensor) -> dict[str, Any]:
        """Terms of one batch.

        Args:
            tensors: `Batch.tensors`; plain ones, as a distributed wrapper passes on no more.

        Returns:
            ``loss``, the sum; ``terms`` by name, ``score`` (batch,) and ``embedding`` (batch, width), without gradient.
        """
        batch = Batch.of(*tensors)
        if self.config.fgm is None:
            output = self.model(*batch.inputs)
            terms = objective_terms(output, batch, self.config.objective)
        else:
            output, terms = adversarial_terms(self.model, batch, self.config.objective, self.config.fgm)
        if self._start is not None:
            terms["l2_sp"] = self.config.objective.l2_sp * self._start.distance()
        loss = torch.stack(list(terms.values())).sum()
        return {
            "loss": loss,
            "terms": {name: term.detach() for name, term in terms.items()},
            "score": output.score.detach(),
            "embedding": output.embedding.detach(),
        }
