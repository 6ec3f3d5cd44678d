"""The Mamba block, with the names, shapes and initial values of mamba-ssm, so that its weights load as they are."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from moe_mamba_asv.models.scan import selective_scan
from moe_mamba_asv.models.scan.choose import Implementation


class MambaConfig(BaseModel):
    """Size and initial values of a `Mamba`; the defaults are the official ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    d_state: int = Field(default=16, ge=1, description="states of a channel")
    d_conv: int = Field(default=4, ge=1, description="taps of the causal convolution, in frames")
    expand: int = Field(default=2, ge=1, description="inner channels for each channel of the block")
    dt_rank: int | Literal["auto"] = Field(default="auto", description="rank of the step size; auto is width / 16")
    dt_min: float = Field(default=0.001, gt=0, description="smallest initial step size")
    dt_max: float = Field(default=0.1, gt=0, description="largest initial step size")
    scan: Implementation = Field(default="auto", description="implementation of the selective scan")

    def dt_rank_for(self, width: int) -> int:
        """The rank in a block of this width."""
        return math.ceil(width / 16) if self.dt_rank == "auto" else self.dt_rank


@dataclass(frozen=True)
class MambaState:
    """What a stream carries from one chunk to the next.

    Attributes:
        conv: (batch, d_conv - 1, inner channels), the frames that the convolution still sees.
        scan: (batch, inner channels, d_state).
    """

    conv: Tensor
    scan: Tensor


class Mamba(nn.Module):
    """in_proj > (causal depthwise convolution > SiLU > selective scan) × SiLU gate > out_proj; causal in time.

    (batch, frames, width) to (batch, frames, width). Symbols, as in the official code: ``A_log``, log(-A); ``D``, the
    skip; ``x_proj`` makes dt, B and C of a frame; ``dt_proj`` widens dt to the channels.

    Paper: Gu and Dao, "Mamba: Linear-time sequence modeling with selective state spaces", 2023. Differs from the
    official code in the scan, which runs anywhere, and in lengths and streaming.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: MambaConfig) -> None:
        super().__init__()
        inner, rank = config.expand * width, config.dt_rank_for(width)
        self.config = config
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, config.d_conv, groups=inner)
        self.x_proj = nn.Linear(inner, rank + 2 * config.d_state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1, config.d_state + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        self._initialise_steps(rank)

    def _initialise_steps(self, rank: int) -> None:
        """Step sizes spread evenly, on a logarithmic scale, from dt_min to dt_max."""
        config = self.config
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        low, high = math.log(config.dt_min), math.log(config.dt_max)
        dt = torch.empty_like(self.dt_proj.bias).uniform_(low, high).exp().clamp_min(1e-4)
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + (-torch.expm1(-dt)).log())  # the inverse of softplus

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Embed whole clips.

        Args:
            frames: (batch, frames, width).
            lengths: (batch,), frames of each clip; what lies behind them has no effect and becomes 0.
        """
        return self._run(frames, None, lengths)[0]

    def stream(self, frames: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """Embed the next chunk of a stream: (batch, frames, width), one frame or many; the whole's frames to rounding.

        Args:
            frames: what follows the frames that made ``state``.
            state: of `empty_state` at the start, then what the last call answered.
        """
        return self._run(frames, state, None)

    def empty_state(self, batch: int, like: Tensor) -> MambaState:
        """The state before the first frame, on the device and in the type of ``like``."""
        inner = self.D.shape[0]
        return MambaState(
            conv=like.new_zeros(batch, self.config.d_conv - 1, inner),
            scan=like.new_zeros(
                batch, inner, self.config.d_state, dtype=torch.promote_types(like.dtype, torch.float32)
            ),
        )

    def _run(self, frames: Tensor, state: MambaState | None, lengths: Tensor | None) -> tuple[Tensor, MambaState]:
        """Without a state, none is given to the scan either: the official kernels take none."""
        x, z = self.in_proj(frames).chunk(2, dim=-1)
        taps = self.config.d_conv - 1
        seen = pad(x, (0, 0, taps, 0)) if state is None else torch.cat([state.conv.to(x.dtype), x], dim=1)
        x = silu(self._convolve(seen))
        rank, states = self.dt_proj.in_features, self.config.d_state
        dt, B, C = self.x_proj(x).split([rank, states, states], dim=-1)
        delta = dt @ self.dt_proj.weight.to(dt.dtype).t()
        dtype = torch.promote_types(frames.dtype, torch.float32)  # of what the state is made with, also under autocast
        # Time last is the scan's form; these are views, and the scan reads either layout.
        u, delta, z, B, C = (tensor.transpose(1, 2) for tensor in (x, delta, z, B, C))
        y, last = selective_scan(
            u,
            delta,
            -torch.exp(self.A_log.to(dtype)),
            B,
            C,
            self.D.to(dtype),
            z,
            self.dt_proj.bias.to(dtype),
            delta_softplus=True,
            initial_state=None if state is None else state.scan,
            return_last_state=True,
            lengths=lengths,
            implementation=self.config.scan,
        )
        return self.out_proj(y.transpose(1, 2)), MambaState(seen[:, seen.shape[1] - taps :], last)

    def _convolve(self, seen: Tensor) -> Tensor:
        """Causal depthwise convolution of (batch, d_conv - 1 + frames, inner) to (batch, frames, inner)."""
        convolved = nn.functional.conv1d(
            seen.transpose(1, 2), self.conv1d.weight, self.conv1d.bias, groups=seen.shape[-1]
        )
        return convolved.transpose(1, 2)
