"""Focal loss: cross-entropy in which a clip counts the less, the surer the model already is of its class.

Source: Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", ICCV 2017.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.training.losses.distributions import log_probabilities, target_distribution


class FocalConfig(BaseModel):
    """Weights; the defaults are those of phase 5."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["focal"] = "focal"
    alpha: float = Field(default=0.9, gt=0, lt=1, description="weight of bona fide speech; 1 - alpha is that of spoof")
    gamma: float = Field(default=2.5, ge=0, description="how fast a clip that is judged well ceases to count; 0: never")


def focal(logits: Tensor, labels: Tensor, config: FocalConfig) -> Tensor:
    """Mean over clips of -weight · (1 - p)^gamma · log p, where p is the probability of the clip's own class.

    The mean is over clips, as they are counted: it is not divided by their weights, as that of `cross_entropy` is. A
    soft label takes its shares of the terms of both classes.

    Args:
        logits: (batch, 2) in `LABEL_ORDER`.
        labels: (batch,), 1 for bona fide; soft ones lie in between.
        config: weights. As in the paper, alpha weighs the rare class of label 1.
    """
    log_probability = log_probabilities(logits)
    # Of two classes, 1 - p is the other one's probability. From its logarithm, the power has a finite slope at 0 too.
    doubt = (config.gamma * log_probability.flip(1)).exp()
    class_weights = log_probability.new_tensor([1 - config.alpha, config.alpha])
    weights = target_distribution(labels, log_probability.dtype) * class_weights
    return -(weights * doubt * log_probability).sum(dim=1).mean()
