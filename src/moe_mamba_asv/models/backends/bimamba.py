"""Mamba in both directions of time."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.backends.backend import Backend, BackendOutput
from moe_mamba_asv.models.backends.mamba import Mamba, MambaConfig


class BiMambaBlockConfig(BaseModel):
    """Size of a `BiMambaBlock`, wherever one is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Literal["two", "shared"] = Field(
        default="two", description="two: each direction has weights of its own; shared: one set serves both"
    )
    mix: Literal["mean", "gated"] = Field(
        default="mean", description="half of each direction, or a learned share for each frame and channel"
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="on what a block adds, in training")
    mamba: MambaConfig = Field(default=MambaConfig(), description="size of each direction")


class BiMambaConfig(BiMambaBlockConfig):
    """Size of a `BiMamba`."""

    kind: Literal["bimamba"] = "bimamba"
    num_blocks: int = Field(default=4, ge=1, description="blocks, each with both directions")


class BiMambaBlock(nn.Module):
    """x + dropout(mix(Mamba(norm x), reversed Mamba(reversed norm x))); the norm comes first.

    The mix is a weighted mean, never a sum: two directions must not double the magnitude.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: BiMambaBlockConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.ahead = Mamba(width, config.mamba)
        self.back = self.ahead if config.columns == "shared" else Mamba(width, config.mamba)
        self.gate = nn.Linear(2 * width, width) if config.mix == "gated" else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(batch, frames, width) to the same; lengths as in `Backend`."""
        normed = self.norm(frames)
        ahead = self.ahead(normed, lengths)
        back = reverse_time(self.back(reverse_time(normed, lengths), lengths), lengths)
        if self.gate is None:
            mixed = (ahead + back) / 2
        else:
            mixed = torch.lerp(back, ahead, torch.sigmoid(self.gate(torch.cat([ahead, back], dim=-1))))
        return frames + self.dropout(mixed)


class BiMamba(Backend):
    """n × (norm > Mamba in both directions > residual) > norm; every frame sees the whole clip.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: BiMambaConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(BiMambaBlock(width, config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> BackendOutput:
        """Embed a batch of clips; see `Backend`."""
        for block in self.blocks:
            frames = block(frames, lengths)
        return BackendOutput(self.norm(frames))


def reverse_time(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Turn each clip of (batch, frames, width) round within its own length; padding stays where it is."""
    if lengths is None:
        return frames.flip(1)
    steps = torch.arange(frames.shape[1], device=frames.device)
    turned = lengths[:, None] - 1 - steps
    index = torch.where(turned >= 0, turned, steps)
    return frames.gather(1, index.unsqueeze(-1).expand_as(frames))
