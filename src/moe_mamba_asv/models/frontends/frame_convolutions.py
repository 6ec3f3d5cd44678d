"""The convolutional feature encoder of wav2vec 2.0 and its kin, as matrix products over frames."""

from typing import Any

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.gelu import is_gelu
from moe_mamba_asv.models.frontends.native.encoder import WHOLE, run_convolution, serves


class FrameConvolutions(nn.Module):
    """Strided convolution > (norm) > GELU, seven times: (batch, samples) to (batch, frames, channels).

    Answers what transformers' feature encoder does, to rounding, and costs about two thirds of its time: channels stay
    last, where the norms want them, so nothing is transposed, and every product runs in a plain matrix multiplication.

    Args:
        original: the feature encoder of transformers; its weights are taken over, in another order.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleList(map(FrameConvolution, original.conv_layers))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Encode a batch of clips."""
        # Clip by clip the largest maps stay small, and fit a cache or a freed block; a batch would gain nothing here.
        clips = waveforms.split(1) if serves(waveforms, self) else (waveforms,)
        return torch.cat([self._encode(clip.unsqueeze(-1)) for clip in clips])

    def _encode(self, frames: Tensor) -> Tensor:
        for layer in self.layers:
            frames = layer(frames)
        return frames


class FrameConvolution(nn.Module):
    """One convolution without padding, its norm and its activation.

    Args:
        original: a layer of transformers' feature encoder.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        convolution: nn.Conv1d = original.conv
        self.kernel, self.stride = convolution.kernel_size[0], convolution.stride[0]
        # (out, in, kernel) to (out, kernel * in): a window of frames, flattened, times this is the convolution.
        self.weight = nn.Parameter(convolution.weight.detach().transpose(1, 2).flatten(1).contiguous())
        self.bias = convolution.bias
        norm = getattr(original, "layer_norm", nn.Identity())
        self.norm: nn.Module = TimeNorm(norm) if isinstance(norm, nn.GroupNorm) else norm
        self.activation: nn.Module = original.activation
        self._kernel_can = (
            (isinstance(self.norm, nn.Identity) or (isinstance(self.norm, nn.LayerNorm) and self.norm.bias is not None))
            and is_gelu(self.activation)
            and (convolution.in_channels == 1 or convolution.in_channels % WHOLE == 0)
            and convolution.out_channels % WHOLE == 0
        )

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, frames, in) to (batch, fewer frames, out)."""
        if self._kernel_can and serves(frames, self):
            norm = self.norm if isinstance(self.norm, nn.LayerNorm) else None
            return run_convolution(frames, self.weight, self.bias, kernel=self.kernel, stride=self.stride, norm=norm)
        num_windows = (frames.shape[1] - self.kernel) // self.stride + 1
        # Windows overlap, and no matrix product reads overlapping rows in place; cut into parts of at most one stride,
        # they do not overlap. Windows of single samples are small enough to be copied whole.
        part_taps = self.kernel if frames.shape[-1] == 1 else self.stride
        parts = self.weight.split(part_taps * frames.shape[-1], dim=1)
        out = self._product(frames, num_windows, parts[0], self.bias)
        for index, weight in enumerate(parts[1:], start=1):
            out += self._product(frames[:, index * part_taps :], num_windows, weight)
        return self.activation(self.norm(out))

    def _product(self, frames: Tensor, num_windows: int, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """What one part of each window gives: (batch, windows, out)."""
        taps = weight.shape[1] // frames.shape[-1]
        windows = frames.unfold(1, taps, self.stride)[:, :num_windows]  # (batch, windows, in, taps)
        return nn.functional.linear(windows.transpose(2, 3).flatten(2), weight, bias)


class TimeNorm(nn.Module):
    """Mean 0 and variance 1 of each channel over the whole clip, then scale and shift.

    Args:
        original: a `GroupNorm` of one channel a group.
    """

    def __init__(self, original: nn.GroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = original.weight, original.bias, original.eps

    def forward(self, frames: Tensor) -> Tensor:
        """(batch, frames, channels) to the same."""
        variance, mean = torch.var_mean(frames, dim=1, correction=0, keepdim=True)
        return torch.addcmul(self.bias, frames - mean, self.weight * (variance + self.eps).rsqrt())
