"""The residual 2-D encoder of AASIST (that of RawNet2, with time × frequency maps)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, selu
from torch.nn.utils import fuse_conv_bn_weights
from torch.utils.checkpoint import checkpoint

from moe_mamba_asv.models.aasist.native.encoder import BlockParts, run_block, serves_block

_RECOMPUTED_CLIPS = 2


class ResidualBlock(nn.Module):
    """Conv (2, 3) > BN > SELU > conv (2, 3) > + shortcut > max-pool 3 in time.

    `norm1` takes no part in the forward pass: the published network computes it and then convolves the input
    itself. It stands here because its parameters are counted in the published 297,866 and are in the official
    weights.

    Args:
        in_channels: of the maps that come in.
        out_channels: of those that go out.
        first: whether it is the first of the encoder, which has no `norm1`.
        recomputed: in training, keep nothing between the norm and the pooling, and compute it again for the gradient,
            a few clips at a time: the largest maps take less than half the memory, and the answers are the same.
    """

    def __init__(self, in_channels: int, out_channels: int, *, first: bool, recomputed: bool) -> None:
        super().__init__()
        self.recomputed = recomputed
        if not first:
            self.norm1 = nn.BatchNorm2d(in_channels).requires_grad_(False)
        self.conv1 = nn.Conv2d(in_channels, out_channels, (2, 3), padding=(1, 1))
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, (2, 3), padding=(0, 1))
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, (1, 3), padding=(0, 1))
        self.pool = nn.MaxPool2d((1, 3))

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, in, bands, frames) to (batch, out, bands, frames / 3)."""
        if serves_block(self.parts(), maps):
            return run_block(self.parts(), maps)
        inner = self._first(maps)
        if self.recomputed and torch.is_grad_enabled():
            parts = zip(inner.split(_RECOMPUTED_CLIPS), maps.split(_RECOMPUTED_CLIPS), strict=True)
            return torch.cat([checkpoint(self._rest, *part, use_reentrant=False) for part in parts])
        return self._rest(inner, maps)

    def parts(self) -> BlockParts:
        """What a pass computes with; not `norm1`."""
        return BlockParts(self.conv1, self.norm2, self.conv2, self.shortcut, self.pool)

    def _rest(self, inner: Tensor, maps: Tensor) -> Tensor:
        """From the answer of the norm on."""
        inner = selu(inner, inplace=not self.recomputed)
        return self.pool(self.conv2(inner).add_(self.shortcut(maps)))

    def _first(self, maps: Tensor) -> Tensor:
        """The first convolution and its norm; outside training both are one convolution."""
        if self.training or torch.is_grad_enabled():
            return self.norm2(self.conv1(maps))
        conv, norm = self.conv1, self.norm2
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias)
        return conv2d(maps, weight, bias, padding=(1, 1))


def largest_of_nine(maps: Tensor) -> Tensor:
    """Max-pool 3 × 3 over (..., bands, frames).

    On maps of a single channel these six maxima are about fifteen times as fast on a CPU as ``max_pool2d``.
    """
    for dim in (-2, -1):
        kept = maps.narrow(dim, 0, maps.shape[dim] // 3 * 3).unflatten(dim, (-1, 3))
        first, second, third = kept.unbind(dim)
        maps = first.maximum(second).maximum(third)
    return maps


def residual_encoder(wide: int, narrow: int) -> nn.Sequential:
    """Six blocks: two of width ``wide``, four of width ``narrow``; 3^6 = 729 frames become one."""
    widths = [1, wide, wide, narrow, narrow, narrow, narrow]
    pairs = pairwise(widths)
    # Each block pools by three: the first two hold nearly all of the memory.
    return nn.Sequential(*(ResidualBlock(a, b, first=i == 0, recomputed=i < 2) for i, (a, b) in enumerate(pairs)))
