"""Gated fusion: for every frame and channel, which of the two streams to believe."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from moe_mamba_asv.models.fusion.fusion import Fusion


class GatedConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gated"] = "gated"


class Gated(Fusion):
    """g · first + (1 - g) · second; g = sigmoid(Linear(both)), for each frame and channel.

    Paper: Arevalo et al., "Gated multimodal units for information fusion", 2017; here the streams come projected.

    Args:
        width: of a frame.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)

    def parts(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fusion`."""
        gate = self._gate(first, second)
        return gate * first, (1 - gate) * second

    def mean_gates(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Fusion`."""
        gate = self._gate(first, second).mean((1, 2))
        return torch.stack([gate, 1 - gate], dim=-1)

    def _gate(self, first: Tensor, second: Tensor) -> Tensor:
        """(batch, frames, width), of two aligned streams."""
        return self.gate(torch.cat([first, second], dim=-1)).sigmoid()
