"""Poolings: from frames to one vector."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.backends.backend import own_frames

#: Below this, a variance has no root worth a gradient: at zero that would be infinite.
_VARIANCE_FLOOR = 1e-6


class MeanPoolingConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mean"] = "mean"


class StatisticsPoolingConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["statistics"] = "statistics"


class AttentivePoolingConfig(BaseModel):
    """Size of an `AttentivePooling`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["attentive"] = "attentive"
    hidden: int = Field(default=64, ge=1, description="hidden width of the network that weighs a frame")


PoolingConfig = Annotated[
    MeanPoolingConfig | StatisticsPoolingConfig | AttentivePoolingConfig, Field(discriminator="kind")
]


@dataclass(frozen=True)
class PoolingState:
    """What a stream carries from one frame to the next.

    Attributes:
        mean: (batch, width), float64, weighted mean of the frames so far.
        log_weight: (batch, 1), float64, logarithm of the sum of their weights; -inf before the first.
    """

    mean: Tensor
    log_weight: Tensor


class Pooling(nn.Module):
    """Makes one vector of a clip's frames, whatever their number.

    Attributes:
        width: of the vector.
    """

    width: int

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Pool a batch of clips.

        Args:
            frames: (batch, frames, width of a frame).
            lengths: (batch,), frames of each clip, at least 1; what lies behind them has no effect. None: no clip is
                padded.

        Returns:
            (batch, width).
        """
        raise NotImplementedError


class WeightedMean(Pooling):
    """A pooling that is a weighted mean, each frame's weight its own: the mean of all so far can be carried along."""

    def logits(self, frames: Tensor) -> Tensor:
        """Logarithm of each frame's weight, up to a constant: (batch, frames, width) to (batch, frames, 1)."""
        raise NotImplementedError

    def empty_state(self, batch: int, like: Tensor) -> PoolingState:
        """The state before the first frame, on the device of ``like``."""
        # float64: the mean of a day is made of millions of frames.
        mean = like.new_zeros(batch, self.width, dtype=torch.float64)
        return PoolingState(mean, mean.new_full((batch, 1), -torch.inf))

    def stream(self, frames: Tensor, state: PoolingState, half_life: float = math.inf) -> tuple[Tensor, PoolingState]:
        """Pool the frames so far, at each frame of the next chunk.

        Args:
            frames: (batch, frames, width), what follows the frames that made ``state``.
            state: of `empty_state` at the start, then what the last call answered.
            half_life: frames after which a frame counts half as much; infinite: all count alike, and what is answered
                at a frame is what `forward` says of the clip that ends there.

        Returns:
            (batch, frames, width), and the state for the next chunk.
        """
        mean, log_weight, pooled = state.mean, state.log_weight, []
        for frame, logit in zip(frames.unbind(1), self.logits(frames).unbind(1), strict=True):
            log_weight = torch.logaddexp(log_weight - math.log(2) / half_life, logit.to(log_weight.dtype))
            # Of an undecayed sum or a decayed one, the newest frame's share; 1 at the first, which replaces the zeros.
            mean = torch.lerp(mean, frame.to(mean.dtype), (logit - log_weight).exp())
            pooled.append(mean)
        return torch.stack(pooled, dim=1).to(frames.dtype), PoolingState(mean, log_weight)


class MeanPooling(WeightedMean):
    """Mean over time.

    Args:
        width: of a frame, and of the vector.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See `Pooling`."""
        return _mean(frames, own_frames(frames, lengths))

    def logits(self, frames: Tensor) -> Tensor:
        """See `WeightedMean`: all weigh the same."""
        return torch.zeros_like(frames[..., :1])


class StatisticsPooling(Pooling):
    """Mean and standard deviation over time.

    Paper: Snyder et al., "X-vectors", 2018.

    Args:
        width: of a frame; the vector has twice as much.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * width

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See `Pooling`."""
        own = own_frames(frames, lengths)
        # Before the square, whose slope at an infinity is not a number.
        frames = frames.masked_fill(~own.unsqueeze(-1), 0)
        mean = _mean(frames, own)
        variance = _mean((frames - mean.unsqueeze(1)).square(), own)
        return torch.cat([mean, variance.clamp_min(_VARIANCE_FLOOR).sqrt()], dim=1)


class AttentivePooling(WeightedMean):
    """Weighted mean over time; Linear > tanh > Linear > softmax over the clip's frames makes the weights.

    Paper: Okabe et al., "Attentive statistics pooling for deep speaker embedding", 2018; here without the deviation.

    Args:
        width: of a frame, and of the vector.
        config: size.
    """

    def __init__(self, width: int, config: AttentivePoolingConfig) -> None:
        super().__init__()
        self.width = width
        # No second bias: the softmax would take it away again.
        self.weigh = nn.Sequential(nn.Linear(width, config.hidden), nn.Tanh(), nn.Linear(config.hidden, 1, bias=False))

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See `Pooling`."""
        padding = ~own_frames(frames, lengths).unsqueeze(-1)
        frames = frames.masked_fill(padding, 0)
        weights = self.logits(frames).masked_fill(padding, -torch.inf).softmax(dim=1)
        return (weights.to(frames.dtype) * frames).sum(1)

    def logits(self, frames: Tensor) -> Tensor:
        """See `WeightedMean`."""
        # The tanh bounds the logits, and the softmax is taken in float32 at least: no frame's weight overflows.
        return self.weigh(frames).to(torch.promote_types(frames.dtype, torch.float32))


def build_pooling(config: PoolingConfig, width: int) -> Pooling:
    """Build a pooling for frames of this width, with fresh weights."""
    match config:
        case MeanPoolingConfig():
            return MeanPooling(width)
        case StatisticsPoolingConfig():
            return StatisticsPooling(width)
        case AttentivePoolingConfig():
            return AttentivePooling(width, config)


def statistics_pooling(frames: Tensor) -> Tensor:
    """Mean and standard deviation over time of maps without padding: (batch, width, frames) to (batch, 2 · width)."""
    deviation = frames.var(dim=-1, unbiased=False).clamp_min(_VARIANCE_FLOOR).sqrt()
    return torch.cat([frames.mean(dim=-1), deviation], dim=1)


def _mean(frames: Tensor, own: Tensor) -> Tensor:
    """Mean over a clip's own frames: (batch, frames, width) and (batch, frames) to (batch, width)."""
    # Not a product with the mask: what padding holds may be infinite.
    total = frames.masked_fill(~own.unsqueeze(-1), 0).sum(1)
    return total / own.sum(1, keepdim=True)
