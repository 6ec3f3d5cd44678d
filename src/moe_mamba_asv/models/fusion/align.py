"""Two streams on one time axis."""

import torch
from torch import Tensor


def resample_time(frames: Tensor, num_frames: int) -> Tensor:
    """Bring a clip's frames to another number, by linear interpolation in time.

    The whole clip is covered, whatever the two numbers are: a frame of either grid stands for an equal part of it.
    Cutting the longer stream instead would lay the first 0.6 s of one beside all four seconds of the other.

    Args:
        frames: (batch, frames, width).
        num_frames: wanted.

    Returns:
        (batch, num_frames, width).

    Source: ``torch.nn.functional.interpolate`` with ``align_corners=False`` answers the same, but its gradient on CUDA
    adds in no fixed order, and is refused where deterministic algorithms are asked for.
    """
    num_given = frames.shape[1]
    if num_given == num_frames:
        return frames
    steps = torch.arange(num_frames, device=frames.device)
    # In float32 whatever the type of the frames: bfloat16 cannot tell frame 257 from 256.
    positions = ((steps + 0.5) * (num_given / num_frames) - 0.5).clamp(0, num_given - 1)
    before = positions.long()
    after = (before + 1).clamp(max=num_given - 1)
    weight = (positions - before).to(frames.dtype).unsqueeze(-1)
    return torch.lerp(frames.index_select(1, before), frames.index_select(1, after), weight)


def align(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Bring the slower of two streams, (batch, frames, width) each, to the frame rate of the faster."""
    num_frames = max(first.shape[1], second.shape[1])
    return resample_time(first, num_frames), resample_time(second, num_frames)
