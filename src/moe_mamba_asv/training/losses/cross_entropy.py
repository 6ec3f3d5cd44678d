"""Cross-entropy on the two logits of a linear head."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class CrossEntropyConfig(BaseModel):
    """Weighted cross-entropy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cross-entropy"] = "cross-entropy"
    class_weights: tuple[float, float] = Field(default=(1.0, 1.0), description="weight of [spoof, bonafide]")


def cross_entropy(logits: Tensor, labels: Tensor, config: CrossEntropyConfig) -> Tensor:
    """Mean over (batch, 2) logits and (batch,) labels, each weighted by its class."""
    weights = torch.tensor(config.class_weights, device=logits.device, dtype=logits.dtype)
    return torch.nn.functional.cross_entropy(logits, labels, weight=weights)
