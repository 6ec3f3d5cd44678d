"""Poolings: from frames to one vector."""

import torch
from torch import Tensor


def statistics_pooling(frames: Tensor) -> Tensor:
    """Mean and standard deviation over time: (batch, width, frames) to (batch, 2 · width).

    The variance is floored before its root, where the gradient would be infinite at zero.
    """
    deviation = frames.var(dim=-1, unbiased=False).clamp_min(1e-6).sqrt()
    return torch.cat([frames.mean(dim=-1), deviation], dim=1)
