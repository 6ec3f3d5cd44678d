"""From samples to hidden state 0 of a self-supervised model: what lies before its first Transformer layer."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.models.frontends.frame_convolutions import FrameConvolutions
from moe_mamba_asv.models.frontends.native.encoder import can_place, run_positions, serves

#: Whisper's analysis: windows of 25 ms every 10 ms.
MEL_WINDOW_SAMPLES = 400
MEL_HOP_SAMPLES = 160


class UnitVariance(nn.Module):
    """Mean 0 and variance 1 of each clip, as ``do_normalize`` of `Wav2Vec2FeatureExtractor` says."""

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to the same."""
        variance, mean = torch.var_mean(waveforms, dim=1, correction=0, keepdim=True)
        return (waveforms - mean) / (variance + 1e-7).sqrt()


class WhisperLogMel(nn.Module):
    """STFT > power > mel filters > log10 > at most 8 below the clip's peak > (x + 4) / 4, as `WhisperFeatureExtractor`.

    A clip is not padded to 30 s: n samples give n // 160 frames, the first centred on sample 0.

    Args:
        num_bins: mel filters, 80 or 128.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, num_bins: int) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(MEL_WINDOW_SAMPLES), persistent=False)
        filters = torch.from_numpy(slaney_mel_filters(num_bins)).float()
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, mel bins, frames)."""
        spectrum = torch.stft(waveforms, MEL_WINDOW_SAMPLES, MEL_HOP_SAMPLES, window=self.window, return_complex=True)
        # The last frame is left out, as Whisper does: it is centred on the end, half of it a mirror image.
        power = (spectrum.real.square() + spectrum.imag.square())[..., :-1]
        log_mel = (self.filters @ power).clamp(min=1e-10).log10()
        return (torch.maximum(log_mel, log_mel.amax(dim=(1, 2), keepdim=True) - 8) + 4) / 4


def slaney_mel_filters(num_bins: int) -> np.ndarray:
    """Triangular filters of equal area, evenly spaced on Slaney's mel scale from 0 to 8 kHz: (num_bins, 201).

    The scale is linear up to 1 kHz (15 mel) and logarithmic above (27 mel for a factor of 6.4).
    """
    step = math.log(6.4) / 27
    mels = np.linspace(0, 15 + math.log(SAMPLE_RATE_HZ / 2 / 1000) / step, num_bins + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.linspace(0, SAMPLE_RATE_HZ / 2, MEL_WINDOW_SAMPLES // 2 + 1)
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)).clip(min=0)
    return triangles * 2 / (high - low)


class ConvolutionalInput(nn.Module):
    """Waveform > strided convolutions > projection > + convolutional positions (> norm): WavLM, wav2vec 2.0, HuBERT.

    Args:
        model: of transformers; its parts are taken over.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        config = model.config
        self.convolutions = FrameConvolutions(model.feature_extractor)
        self.feature_projection: nn.Module = model.feature_projection
        self.positions: Any = model.encoder.pos_conv_embed
        self.norm: nn.Module = nn.Identity() if config.do_stable_layer_norm else model.encoder.layer_norm
        _join_weight_norm(self.positions.conv)
        has_norm = getattr(self.positions, "batch_norm", None) is not None  # some HuBERT
        self._kernel_can_place = not has_norm and can_place(self.positions.conv)
        self.width: int = config.hidden_size
        self.steps = tuple(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.frame_rate_hz = SAMPLE_RATE_HZ / math.prod(config.conv_stride)
        self.receptive_field_samples = 1
        for kernel, stride in reversed(self.steps):
            self.receptive_field_samples = (self.receptive_field_samples - 1) * stride + kernel
        self.min_samples = self.receptive_field_samples

    def num_frames(self, num_samples: int) -> int:
        """Frames of the last convolution; none of them pads."""
        for kernel, stride in self.steps:
            num_samples = (num_samples - kernel) // stride + 1
        return num_samples

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width)."""
        dtype = next(self.feature_projection.parameters()).dtype
        frames = self.feature_projection(self.convolutions(waveforms.to(dtype)))
        if isinstance(frames, tuple):  # some also hand out what they projected
            frames = frames[0]
        return self.norm(frames + self._place(frames))

    def _place(self, frames: Tensor) -> Tensor:
        if self._kernel_can_place and serves(frames, self.positions):
            return self.positions.activation(run_positions(frames, self.positions.conv))
        return self.positions(frames)


def _join_weight_norm(convolution: Any) -> None:
    """Make one weight of length and direction, which are frozen; to join them anew each time costs as much as a layer.

    Sums are made of additions of whole tensors, in float64: so every processor rounds alike, where the order in which
    a library adds up a norm is its own. The weight is part of the digest by which a model file knows its source.
    """
    if not parametrize.is_parametrized(convolution, "weight"):  # HuBERT may have a batch norm in its place
        return
    length, direction = (part.detach().double() for part in convolution.parametrizations["weight"].parameters())
    squares = direction.square().flatten(0, 1)  # (out * in / groups, kernel): a length for each step of the kernel
    while squares.shape[0] > 1:
        half = squares.shape[0] // 2
        squares = torch.cat([squares[:half] + squares[half : 2 * half], squares[2 * half :]])
    parametrize.remove_parametrizations(convolution, "weight")
    convolution.weight = nn.Parameter((direction * (length / squares.sqrt())).float())


class MelInput(nn.Module):
    """Log-mel spectrogram > two convolutions > + positions: Whisper.

    n samples give n // 160 mel frames, and every two of those a frame; of an odd number, the last makes a frame with
    zeros behind it. Positions beyond the clip are not used, so nothing attends to padding.

    Args:
        encoder: ``WhisperEncoder`` of transformers; its parts are taken over.
    """

    frame_rate_hz = SAMPLE_RATE_HZ / MEL_HOP_SAMPLES / 2
    #: Five windows: two convolutions of three steps each.
    receptive_field_samples = MEL_WINDOW_SAMPLES + 4 * MEL_HOP_SAMPLES
    min_samples = MEL_WINDOW_SAMPLES

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.conv1: nn.Conv1d = encoder.conv1
        self.conv2: nn.Conv1d = encoder.conv2
        self.positions: nn.Embedding = encoder.embed_positions
        self.width: int = encoder.config.d_model

    def num_frames(self, num_samples: int) -> int:
        """Frames of the second convolution."""
        return (num_samples // MEL_HOP_SAMPLES + 1) // 2

    def forward(self, log_mel: Tensor) -> Tensor:
        """(batch, mel bins, mel frames) to (batch, frames, width).

        Raises:
            AudioError: more frames than the model has positions for, 30 s as published.
        """
        return self.place(self.convolve(log_mel))

    def convolve(self, log_mel: Tensor) -> Tensor:
        """(batch, mel bins, mel frames) to (batch, frames, width) that do not know their places yet."""
        frames = nn.functional.gelu(self.conv1(log_mel.to(self.conv1.weight.dtype)))
        return nn.functional.gelu(self.conv2(frames)).transpose(1, 2)

    def place(self, frames: Tensor) -> Tensor:
        """Add the positions; see `forward` for the error."""
        positions = self.positions.weight
        if frames.shape[1] > positions.shape[0]:
            raise AudioError(
                f"a clip of {frames.shape[1]} frames",
                wanted=f"at most {positions.shape[0] / self.frame_rate_hz:g} s for Whisper",
                remedy="score long audio in windows",
            )
        return frames + positions[: frames.shape[1]]
