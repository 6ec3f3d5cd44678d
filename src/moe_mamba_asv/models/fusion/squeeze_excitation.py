"""Squeeze and excitation: for every clip, how much each channel of either stream is worth."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.fusion.fusion import Fusion


class SqueezeExcitationConfig(BaseModel):
    """Size of a `SqueezeExcitation`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["squeeze-excitation"] = "squeeze-excitation"
    reduction: int = Field(
        default=16, ge=1, description="the gates see one number for so many channels of both streams"
    )


class SqueezeExcitation(Fusion):
    """Mean over time > Linear > ReLU > Linear > sigmoid: gates of the concatenated channels > Linear to one width.

    Paper: Hu et al., "Squeeze-and-excitation networks", 2018; here over the 2 · width channels of two streams.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: SqueezeExcitationConfig) -> None:
        super().__init__()
        squeezed = max(1, 2 * width // config.reduction)
        self.excite = nn.Sequential(
            nn.Linear(2 * width, squeezed), nn.ReLU(), nn.Linear(squeezed, 2 * width), nn.Sigmoid()
        )
        self.project_first = nn.Linear(width, width, bias=False)
        self.project_second = nn.Linear(width, width, bias=False)

    def parts(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fusion`."""
        gate_first, gate_second = self._gates(first, second).unsqueeze(1).chunk(2, dim=-1)
        return self.project_first(gate_first * first), self.project_second(gate_second * second)

    def mean_gates(self, first: Tensor, second: Tensor) -> Tensor:
        """See `Fusion`."""
        return self._gates(first, second).unflatten(-1, (2, -1)).mean(-1)

    def _gates(self, first: Tensor, second: Tensor) -> Tensor:
        """(batch, 2 · width), of two aligned streams."""
        return self.excite(torch.cat([first.mean(1), second.mean(1)], dim=-1))
