"""The contract of every back-end: frames go in, as many embedded frames come out, and padding has no part in it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class RouterStatistics:
    """How one router divided the frames of a batch among its experts; padding is not counted.

    Attributes:
        load_balance_loss: (), differentiable; 1 when both the choices and the probabilities are even, up to the number
            of experts over ``top_k`` when always the same are chosen.
        expert_share: (experts,), fraction of all choices that fell on each; they sum to 1.
        entropy: (), of the router's probabilities, mean over frames, in nats; log(experts) when it is undecided.
    """

    load_balance_loss: Tensor
    expert_share: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class BackendOutput:
    """What a back-end says of a batch.

    Attributes:
        frames: (batch, frames, width).
        routers: one for each router, the first block's first; empty where there is none.
    """

    frames: Tensor
    routers: tuple[RouterStatistics, ...] = ()


class Backend(nn.Module):
    """Embeds frames in the light of the whole clip.

    A subclass answers (batch, frames, width), and perhaps (batch,) lengths, with a `BackendOutput` of the same shape.
    """

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> BackendOutput:
        """Embed a batch of clips.

        Args:
            frames: (batch, frames, width).
            lengths: (batch,), frames of each clip, at least 1; what lies behind them has no effect on the clip's own
                frames. None: no clip is padded.
        """
        raise NotImplementedError


def own_frames(frames: Tensor, lengths: Tensor | None) -> Tensor:
    """Which frames of (batch, frames, width) are a clip's own and not its padding: (batch, frames), bool."""
    if lengths is None:
        return torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)
    return torch.arange(frames.shape[1], device=frames.device) < lengths[:, None]
