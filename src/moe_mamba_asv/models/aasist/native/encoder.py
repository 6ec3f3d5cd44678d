"""The stem and the residual blocks by the compiled kernel: tensors in, the kernel's answers out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import fuse_conv_bn_weights

from moe_mamba_asv.models.aasist.native.library import Block, Library, Stem, find_library
from moe_mamba_asv.models.aasist.sinc_bank import SincBank
from moe_mamba_asv.models.native.serving import may_stand_in, serving

#: A filter's three taps to its values at 0, 1, -1, 2, -2, 1/2, -1/2 and infinity, each over the product of the
#: distances to the other points, as Lagrange's interpolation wants it.
_TO_POINTS = torch.tensor(
    [
        [1, 0, 0],
        [-2 / 9, -2 / 9, -2 / 9],
        [-2 / 9, 2 / 9, -2 / 9],
        [1 / 90, 2 / 90, 4 / 90],
        [1 / 90, -2 / 90, 4 / 90],
        [32 / 45, 16 / 45, 8 / 45],
        [32 / 45, -16 / 45, 8 / 45],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
_POOLED = 3


class BlockParts(NamedTuple):
    """What a residual block computes with, in this order; ``norm2`` stands behind ``conv1``."""

    conv1: nn.Conv2d
    norm2: nn.BatchNorm2d
    conv2: nn.Conv2d
    shortcut: nn.Module
    pool: nn.Module


def _serving() -> tuple[Library, str] | None:
    return serving(find_library())


def serves_block(block: BlockParts, maps: Tensor) -> bool:
    """Whether `run_block` can stand in for a block: outside training, on a CPU, in float32, with nobody looking on."""
    return (
        _serves(maps, *block)
        and all(type(part) in (nn.Conv2d, nn.Identity) for part in (block.conv1, block.conv2, block.shortcut))
        and maps.ndim == 4
        and maps.shape[1] == block.conv1.in_channels
        and maps.shape[-1] >= _POOLED
    )


def serves_stem(bank: SincBank, norm: nn.BatchNorm2d, waveforms: Tensor) -> bool:
    """Whether `run_stem` can stand in: as for a block, with symmetric filters and a clip long enough for one frame."""
    if not _serves(waveforms, bank, norm):
        return False
    num_taps = bank.filters.shape[-1]
    return (
        waveforms.ndim == 2
        and num_taps % 2 == 1
        and waveforms.shape[1] - num_taps + 1 >= _POOLED
        and torch.equal(bank.filters, bank.filters.flip(-1))
    )


def _serves(tensor: Tensor, *modules: nn.Module) -> bool:
    return may_stand_in(tensor, *modules) and _serving() is not None


def run_stem(bank: SincBank, norm: nn.BatchNorm2d, waveforms: Tensor) -> Tensor:
    """Filters > |·| > max over 3 filters × 3 samples > norm > SELU; no filter's own answer is ever stored.

    Args:
        bank: of symmetric filters.
        norm: of the single channel.
        waveforms: (batch, samples).

    Returns:
        (batch, 1, num_filters / 3, (samples - num_taps + 1) / 3).
    """
    library, variant = _checked(_serving())
    waveforms = waveforms.contiguous()
    batch, samples = waveforms.shape
    num_filters, _, num_taps = bank.filters.shape
    bands, half = num_filters // 3, num_taps // 2
    taps = bank.filters[: 3 * bands, 0, : half + 1].unflatten(0, (bands, 3)).transpose(1, 2).contiguous()
    maps = waveforms.new_empty(batch, 1, bands, (samples - 2 * half) // 3)
    scale = norm.weight * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
    shift = norm.bias - norm.get_buffer("running_mean") * scale
    addresses = waveforms.data_ptr(), taps.data_ptr()
    arguments = Stem(batch, samples, bands, half, *addresses, scale.item(), shift.item(), maps.data_ptr())
    library.call("aasist_stem", arguments, variant, torch.get_num_threads())
    return maps


def run_block(block: BlockParts, maps: Tensor) -> Tensor:
    """`ResidualBlock.forward` in evaluation mode, channels last: what lies between its convolutions is never stored."""
    library, variant = _checked(_serving())
    maps = maps.contiguous(memory_format=torch.channels_last)
    batch, channels, bands, frames = maps.shape
    width, columns = block.conv2.out_channels, library.columns(variant)
    pack = _at_points if channels > 1 else _by_tap
    first, first_bias = _folded(block.conv1, block.norm2)
    bias, shortcut = _bias(block.conv2), None
    if isinstance(block.shortcut, nn.Conv2d):
        bias, shortcut = bias + _bias(block.shortcut), pack(block.shortcut.weight, columns)
    first, second = pack(first, columns), _at_points(block.conv2.weight, columns)
    first_bias, bias = _padded(first_bias, columns), _padded(bias, columns)
    pooled = maps.new_empty(batch, bands, frames // _POOLED, width).permute(0, 3, 1, 2)
    tensors = (maps, first, first_bias, second, bias, shortcut, pooled)
    addresses = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    arguments = Block(batch, bands, frames, channels, width, *addresses)
    library.call("aasist_block", arguments, variant, torch.get_num_threads())
    return pooled


def _checked(serving: tuple[Library, str] | None) -> tuple[Library, str]:
    assert serving is not None  # who calls has asked `serves_…`
    return serving


def _bias(conv: nn.Conv2d) -> Tensor:
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    return fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias)


def _at_points(weight: Tensor, columns: int) -> Tensor:
    """Filters (out, in, bands, 3) at the points: (points, panels, bands, in, columns of a panel)."""
    by_tap = _padded(weight, columns).unflatten(0, (-1, columns)).permute(4, 0, 3, 2, 1)
    values = _TO_POINTS @ by_tap.flatten(1).double()
    return values.to(weight.dtype).view(-1, *by_tap.shape[1:])


def _by_tap(weight: Tensor, columns: int) -> Tensor:
    """Filters (out, 1, bands, 3) as they are: (bands, 3, channels of all panels)."""
    return _padded(weight.squeeze(1), columns).permute(1, 2, 0).contiguous()


def _padded(tensor: Tensor, columns: int) -> Tensor:
    """Zeros behind the last of the first axis, up to whole panels."""
    missing = -len(tensor) % columns
    return torch.cat([tensor, tensor.new_zeros(missing, *tensor.shape[1:])]) if missing else tensor
