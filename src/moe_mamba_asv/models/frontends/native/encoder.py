"""Convolutions and attention by the compiled kernel: tensors in, the kernel's answers out."""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.native.library import (
    Attention,
    Convolution,
    Library,
    Positions,
    find_library,
)
from moe_mamba_asv.models.native.serving import may_stand_in, serving

#: Channels, and the width of a head, are multiples of this: whole vectors of every instruction set.
WHOLE = 16
#: Taps that are taken together, and the points at which they are evaluated; None is infinity.
_TAPS = 4
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, None)
#: More taps than this the kernel does not hold at a time.
_MAX_TAPS = 1024


def serves(tensor: Tensor, *modules: nn.Module) -> bool:
    """Whether the kernel can stand in: on a CPU, in float32, no gradient wanted, nobody looking on."""
    return may_stand_in(tensor, *modules) and serving(find_library()) is not None


def can_place(convolution: nn.Conv1d) -> bool:
    """Whether `run_positions` knows such a convolution: over whole groups, one frame for each, taps in fours."""
    (taps,), channels, groups = convolution.kernel_size, convolution.in_channels, convolution.groups
    return (
        convolution.padding == (taps // 2,)
        and convolution.stride == convolution.dilation == (1,)
        and convolution.out_channels == channels
        and channels // groups % WHOLE == 0
        and taps % _TAPS == 0
        and taps <= _MAX_TAPS
    )


def run_positions(frames: Tensor, convolution: nn.Conv1d) -> Tensor:
    """A grouped convolution over time that keeps the number of frames, as wav2vec 2.0 places its frames.

    Of the zeros around a clip, half a kernel lies before it and the rest behind.

    Args:
        frames: (batch, frames, channels).
        convolution: that `can_place` accepts.

    Returns:
        (batch, frames, channels).
    """
    batch, num_frames, channels = frames.shape
    groups, (taps,) = convolution.groups, convolution.kernel_size
    tiles, points, fours = -(-num_frames // _TAPS), len(_POINTS), taps // _TAPS
    width, num_blocks = channels // groups, tiles + fours - 1
    behind = _TAPS * (num_blocks - 1) + points - num_frames - taps // 2
    padded = nn.functional.pad(frames.transpose(1, 2), (taps // 2, behind))
    to_values, to_points, to_frames = (matrix.to(frames) for matrix in _winograd())
    values = torch.einsum("pl,bcul->bpcu", to_values, padded.unfold(2, points, _TAPS)).contiguous()
    sums = frames.new_empty(batch, points, tiles, channels)
    weight = convolution.weight.contiguous()
    sizes = (batch, tiles, groups, width, fours)
    _call("encoder_positions", Positions(*sizes, *_addresses(values, weight, to_points, sums)))
    out = torch.einsum("ip,bpuc->buic", to_frames, sums).flatten(1, 2)[:, :num_frames]
    return out if convolution.bias is None else out + convolution.bias


@cache
def _winograd() -> tuple[Tensor, Tensor, Tensor]:
    """Frames to values at the points, taps to values there, and products to frames: Winograd's F(4, 4).

    A filter's value at a point is divided by the distances to the other points, as Lagrange's interpolation wants it;
    the last point is infinity.
    """
    to_values = torch.zeros(len(_POINTS), len(_POINTS), dtype=torch.float64)
    to_points = torch.zeros(len(_POINTS), _TAPS, dtype=torch.float64)
    for index, point in enumerate(_POINTS):
        others = [other for other in _POINTS[:-1] if other != point]
        polynomial = np.poly(others)[::-1].copy()  # the lowest power first
        to_values[index, : len(polynomial)] = torch.from_numpy(polynomial)
        distance = 1.0 if point is None else math.prod(point - other for other in others)
        powers = [point**power for power in range(_TAPS)] if point is not None else [0.0] * (_TAPS - 1) + [1.0]
        to_points[index] = torch.tensor(powers) / distance
    to_frames = torch.tensor(
        [
            [point**power if point is not None else float(power == _TAPS - 1) for point in _POINTS]
            for power in range(_TAPS)
        ],
        dtype=torch.float64,
    )
    return to_values, to_points, to_frames


def run_convolution(
    frames: Tensor, weight: Tensor, bias: Tensor | None, *, kernel: int, stride: int, norm: nn.LayerNorm | None
) -> Tensor:
    """Convolution without padding > norm over channels, if there is one > GELU.

    Args:
        frames: (batch, frames, in); ``in`` is 1 or a multiple of `WHOLE`.
        weight: (out, kernel * in), a tap after the other; ``out`` is a multiple of `WHOLE`.
        bias: (out), if there is one.
        kernel: number of taps.
        stride: frames of the input for one of the answer.
        norm: with scale and shift.

    Returns:
        (batch, fewer frames, out).
    """
    frames, weight = frames.contiguous(), weight.contiguous()
    batch, num_frames, channels = frames.shape
    out = frames.new_empty(batch, (num_frames - kernel) // stride + 1, len(weight))
    sizes = (batch, num_frames, channels, out.shape[1], len(weight), kernel, stride)
    scale, shift, eps = (None, None, 0.0) if norm is None else (norm.weight, norm.bias, norm.eps)
    arguments = Convolution(*sizes, *_addresses(frames, weight, bias, scale, shift), eps, None, out.data_ptr())
    library, variant = _serving()
    room = frames.new_empty(library.convolution_room(arguments, variant))
    arguments.packed = room.data_ptr()
    _call("encoder_convolution", arguments)
    return out


def run_attention(query: Tensor, key: Tensor, value: Tensor, *, num_heads: int, gate: Tensor, bias: Tensor) -> Tensor:
    """softmax(query keyᵀ / √d + gate · bias) value, head by head, where d is a head's width, a multiple of `WHOLE`.

    Args:
        query: (batch, frames, heads * d), and so are the key and the value.
        key: see ``query``.
        value: see ``query``.
        num_heads: of equal width.
        gate: (batch, heads, frames), of each query.
        bias: (heads, frames, frames), queries and keys.

    Returns:
        (batch, frames, heads * d).
    """
    tensors = [tensor.contiguous() for tensor in (query, key, value, gate, bias)]
    batch, num_frames, channels = query.shape
    out = torch.empty_like(tensors[0])
    sizes = (batch, num_frames, num_heads, channels // num_heads)
    _call("encoder_attention", Attention(*sizes, *_addresses(*tensors, out)))
    return out


def _serving() -> tuple[Library, str]:
    found = serving(find_library())
    assert found is not None  # who calls has asked `serves`
    return found


def _call(name: str, arguments: Positions | Convolution | Attention) -> None:
    library, variant = _serving()
    library.call(name, arguments, variant, torch.get_num_threads())


def _addresses(*tensors: Tensor | None) -> list[int | None]:
    return [None if tensor is None else tensor.data_ptr() for tensor in tensors]
