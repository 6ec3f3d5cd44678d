"""Cross-entropy on the two logits of a linear head."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.training.losses.distributions import log_probabilities, target_distribution


class CrossEntropyConfig(BaseModel):
    """Weighted cross-entropy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cross-entropy"] = "cross-entropy"
    class_weights: tuple[float, float] = Field(default=(1.0, 1.0), description="weight of [spoof, bonafide]")


def cross_entropy(logits: Tensor, labels: Tensor, config: CrossEntropyConfig) -> Tensor:
    """Mean over clips, each weighted by its class; a soft label weighs as its shares of both classes do.

    Args:
        logits: (batch, 2) in `LABEL_ORDER`.
        labels: (batch,), 1 for bona fide; soft ones lie in between.
        config: weights.
    """
    log_probability = log_probabilities(logits)
    class_weights = log_probability.new_tensor(config.class_weights)
    weights = target_distribution(labels, log_probability.dtype) * class_weights
    return -(weights * log_probability).sum() / weights.sum()
