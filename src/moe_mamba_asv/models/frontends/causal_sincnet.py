"""The front-end of band-pass filters without look-ahead: a frame is of what was heard until then, and of no more."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, selu
from torch.nn.utils import fuse_conv_bn_weights

from moe_mamba_asv.models.frontends.sincnet import SincNetConfig, SincNetFrontend

#: Frames before the first of a chunk that a block's two convolutions, each three frames wide, still see.
_CONTEXT = 4


@dataclass(frozen=True)
class SincNetState:
    """What a stream carries from one chunk to the next; zeros before the first sample.

    Attributes:
        samples: (batch, num_taps - 1), which the filters still see.
        maps: for each block, (batch, in channels, bands, 4), the frames that it still sees.
    """

    samples: Tensor
    maps: tuple[Tensor, ...]


class CausalBlock(nn.Module):
    """Conv (2, 3) > BN > SELU > conv (2, 3) > + shortcut > max-pool 3 in time; nothing looks ahead.

    The block of `SincNetFrontend`, but each convolution sees a frame and the two before it, where that one sees a
    frame and both of its neighbours.

    Args:
        in_channels: of the maps that come in.
        out_channels: of those that go out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, (2, 3), padding=(1, 0))
        self.norm = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, (2, 3))
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, (1, 3))
        self.pool = nn.MaxPool2d((1, 3))

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, in, bands, 4 + frames), the first four of them context, to (batch, out, bands, frames / 3)."""
        inner = self.conv2(selu(self._first(maps), inplace=True))
        # Without channels to change the shortcut takes no frame away: two more of the context are left.
        shortcut = self.shortcut(maps[..., 2:])[..., -inner.shape[-1] :]
        return self.pool(inner.add_(shortcut))

    def _first(self, maps: Tensor) -> Tensor:
        """The first convolution and its norm; outside training both are one convolution."""
        conv, norm = self.conv1, self.norm
        if self.training or torch.is_grad_enabled():
            return norm(conv(maps))
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        weight, bias = fuse_conv_bn_weights(conv.weight, conv.bias, mean, variance, norm.eps, norm.weight, norm.bias)
        return conv2d(maps, weight, bias, padding=(1, 0))


class CausalSincNetFrontend(SincNetFrontend):
    """A `SincNetFrontend` whose frames can be had as the sound comes in, in chunks, with work that does not grow.

    Filters see the past alone: zeros stand before the first sample, and before the first frame of each block. So
    frame k is of samples up to hop_samples · (k + 1) and of none behind, with no look-ahead. The residual blocks are
    `CausalBlock`; the rest is `SincNetFrontend`'s.

    Args:
        config: size; ``causal`` is true.
    """

    def __init__(self, config: SincNetConfig) -> None:
        super().__init__(config)
        self._lead_samples = 0
        self._num_bands = -(-config.num_filters // 3)
        self.encoder = nn.Sequential(*(CausalBlock(a, b) for a, b in pairwise((1, *config.channels))))

    def _embed(self, waveforms: Tensor) -> Tensor:
        """A clip is a stream of one chunk; what is left behind its last frame is unheard."""
        heard = waveforms[:, : waveforms.shape[1] // self.hop_samples * self.hop_samples]
        return self.stream(heard, self.empty_state(heard.shape[0], heard))[0]

    def stream(self, waveforms: Tensor, state: SincNetState) -> tuple[Tensor, SincNetState]:
        """Embed the next chunk of a stream; the frames are those of the whole, to rounding.

        Args:
            waveforms: (batch, frames · hop_samples), what follows the samples that made ``state``.
            state: of `empty_state` at the start, then what the last call answered.

        Returns:
            (batch, frames, width), and the state for the next chunk.
        """
        heard = torch.cat([state.samples, waveforms], dim=1)
        maps, kept = self._stem(heard), []
        for block, context in zip(self.encoder, state.maps, strict=True):
            maps = torch.cat([context, maps], dim=-1)
            # Copies: a slice would keep the whole chunk's maps alive.
            kept.append(maps[..., -_CONTEXT:].clone())
            maps = block(maps)
        samples = heard[:, heard.shape[1] - state.samples.shape[1] :].clone()
        return self.summary(maps).flatten(1, 2).transpose(1, 2), SincNetState(samples, tuple(kept))

    def empty_state(self, batch: int, like: Tensor) -> SincNetState:
        """The state before the first sample, on the device and in the type of ``like``."""
        channels = [block.conv1.in_channels for block in self.encoder if isinstance(block, CausalBlock)]
        maps = (like.new_zeros(batch, count, self._num_bands, _CONTEXT) for count in channels)
        return SincNetState(
            like.new_zeros(batch, self.bank.num_taps - 1),
            tuple(context.to(memory_format=torch.channels_last) for context in maps),
        )
