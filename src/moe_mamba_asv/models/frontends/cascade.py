"""Cascade injection: low layers of a self-supervised model flow into middle ones, those into high ones."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend


class CascadeConfig(BaseModel):
    """Parts of a `CascadeFrontend`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cascade"] = "cascade"
    ssl: SslConfig = Field(description="the self-supervised model and which of its hidden states, from low to high")
    width: int = Field(default=144, ge=1, description="of a frame after each stream's projection")

    @field_validator("ssl")
    @classmethod
    def _more_than_one_layer(cls, ssl: SslConfig) -> SslConfig:
        if isinstance(ssl.layers, str) or len(ssl.layers) < 2:
            raise ValueError(f"layers {ssl.layers!r}; a cascade wants two or more, such as [3, 12, 24]")
        return ssl


class GatedInjection(nn.Module):
    """upper + sigmoid(gate([lower, upper])) · project(lower): how much of the lower stream each channel lets in.

    Args:
        width: of a frame of either stream.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * width, width)
        self.project = nn.Linear(width, width)

    def forward(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Two tensors (batch, frames, width) to one of that shape."""
        gate = torch.sigmoid(self.gate(torch.cat([lower, upper], dim=-1)))
        return upper + gate * self.project(lower)


class CascadeFrontend(Frontend):
    """Self-supervised model > chosen hidden states, each projected > low into middle > that into high.

    Args:
        config: which hidden states, and how wide.
        architecture: of the self-supervised model; see `SslFrontend`.
    """

    def __init__(self, config: CascadeConfig, architecture: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.ssl = SslFrontend(config.ssl, architecture)
        num_streams = len(config.ssl.layers)
        self.projections = nn.ModuleList(nn.Linear(self.ssl.width, config.width) for _ in range(num_streams))
        self.injections = nn.ModuleList(GatedInjection(config.width) for _ in range(num_streams - 1))
        self.width = config.width
        self.frame_rate_hz = self.ssl.frame_rate_hz
        self.receptive_field_samples = self.ssl.receptive_field_samples

    @property
    def architecture(self) -> dict[str, Any]:
        """Of the self-supervised model; see `SslFrontend`."""
        return self.ssl.architecture

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of so many samples gives."""
        return self.ssl.num_frames(num_samples)

    def borrowed(self) -> frozenset[str]:
        """See `Frontend.borrowed`."""
        return frozenset(f"ssl.{name}" for name in self.ssl.borrowed())

    def fixed(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        """See `SslFrontend.fixed`, also for the errors."""
        return self.ssl.fixed(waveforms)

    @property
    def num_fixed(self) -> int:
        """See `Frontend.num_fixed`."""
        return self.ssl.num_fixed

    def learned(self, *fixed: Tensor) -> Tensor:
        """The layers that are trained, then the injections: to (batch, frames, width)."""
        states = self.ssl.learned_states(*fixed)
        low, *higher = (project(state) for project, state in zip(self.projections, states, strict=True))
        for inject, upper in zip(self.injections, higher, strict=True):
            low = inject(low, upper)
        return low

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width); see `SslFrontend.fixed` for the errors."""
        return self.learned(*self.fixed(waveforms))
