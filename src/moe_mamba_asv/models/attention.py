"""What every attention here shares: heads, and positions."""

import math

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from moe_mamba_asv.errors import ConfigError

#: Longest wavelength of the positions, in 2π frames; the paper's.
_LONGEST = 10_000


def require_heads(width: int, heads: int) -> None:
    """Refuse heads that do not divide the width of a frame.

    Raises:
        ConfigError: they do not.
    """
    if width % heads:
        raise ConfigError(f"{heads} attention heads for frames of width {width}", wanted="a divisor of it")


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int, seen: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention in several heads.

    Args:
        queries: (batch, frames_a, width).
        keys: (batch, frames_b, width).
        values: (batch, frames_b, width).
        heads: they divide the width.
        seen: (batch, frames_b), true where a frame may be attended to; None: everywhere.

    Returns:
        (batch, frames_a, width).
    """
    by_head = (frames.unflatten(-1, (heads, -1)).transpose(1, 2) for frames in (queries, keys, values))
    mask = None if seen is None else seen[:, None, None]
    attended = scaled_dot_product_attention(*by_head, attn_mask=mask)  # (batch, heads, frames, width / heads)
    return attended.transpose(1, 2).flatten(2)


def sinusoidal_positions(frames: Tensor) -> Tensor:
    """Sines and cosines of the frame number, of wavelengths from 2π to 10,000 · 2π frames: (frames, width).

    Args:
        frames: (batch, frames, width), whose size, type and device they take.
    """
    _, num_frames, width = frames.shape
    # In float32 whatever the type of the frames: bfloat16 cannot tell frame 257 from 256.
    steps = torch.arange(num_frames, device=frames.device, dtype=torch.float32)
    rates = torch.exp(torch.arange(0, width, 2, device=frames.device) * (-math.log(_LONGEST) / width))
    angles = steps[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width].to(frames.dtype)
