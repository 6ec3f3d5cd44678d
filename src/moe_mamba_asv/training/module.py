"""The learner: one step, one dev pass, and what Lightning needs to know of them."""

import math
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.training.losses.objective import loss_terms
from moe_mamba_asv.training.recipe import Recipe

Batch = Sequence[Tensor]


class Learner(lightning.LightningModule):
    """The recipe's loss, Adam, cosine; dev EER at the end of each epoch.

    Args:
        recipe: the resolved one.
        total_steps: of the whole run, which the cosine spans.
        seed: every step draws from a generator of its own, seeded by this and the step number, so a resumed run
            repeats the very numbers of an uninterrupted one.
    """

    def __init__(self, recipe: Recipe, *, total_steps: int, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = build_model(recipe.model)
        self.config, self.total_steps, self.seed = recipe.training, total_steps, seed
        self.dev_eer = math.nan
        self.mean_loss = math.nan
        self._losses: list[Tensor] = []
        self._dev: list[tuple[Tensor, Tensor]] = []

    def on_train_epoch_start(self) -> None:
        """Forget the losses of the epoch before."""
        self._losses = []

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed dropout for this step."""
        torch.manual_seed(int(np.random.default_rng([self.seed, self.global_step]).integers(2**31)))

    def training_step(self, batch: Batch) -> Tensor:
        """Loss of one batch."""
        waveforms, labels, rows = batch
        terms = loss_terms(self.model(waveforms), labels, self.config.loss, self.config.load_balance_weight)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise TrainingError(
                f"loss {loss.item()} at step {self.global_step}, training rows {rows.tolist()}",
                remedy="a smaller --set training.learning_rate; the last good state is kept for --resume",
            )
        self._losses.append(loss.detach())
        return loss

    def on_train_epoch_end(self) -> None:
        """Mean loss of the epoch."""
        self.mean_loss = torch.stack(self._losses).mean().item()

    def validation_step(self, batch: Batch) -> None:
        """Scores of one dev batch."""
        waveforms, labels, _ = batch
        self._dev.append((self.model(waveforms).score, labels))

    def on_validation_epoch_end(self) -> None:
        """Dev EER, in every clip once."""
        scores, labels = (torch.cat(parts).cpu().numpy() for parts in zip(*self._dev, strict=True))
        self._dev = []
        if not np.isfinite(scores).all():
            raise TrainingError(f"scores of dev that are not finite at step {self.global_step}")
        self.dev_eer = equal_error_rate(scores[labels == 1], scores[labels == 0]).value

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """What is trained: the layers of a self-supervised stream at a rate of their own, then all the rest."""
        borrowed = self.model.borrowed()
        trained = {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        rate = self.config.ssl_learning_rate or self.config.learning_rate
        groups = [
            {"params": [parameter for name, parameter in trained.items() if name in borrowed], "lr": rate},
            {"params": [parameter for name, parameter in trained.items() if name not in borrowed]},
        ]
        return [group for group in groups if group["params"]]

    def configure_optimizers(self) -> Any:
        """Adam; the rate falls along a cosine, step by step."""
        config = self.config
        optimizer = torch.optim.Adam(
            self._parameter_groups(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        floor = config.min_learning_rate / config.learning_rate

        def share(step: int) -> float:
            progress = min(step / self.total_steps, 1.0)
            return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
