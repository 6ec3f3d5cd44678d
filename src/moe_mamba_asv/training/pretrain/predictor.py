"""A published model that hears a clip with frames missing and says of each frame which cluster it is."""

from typing import Self

import torch
from torch import Tensor, nn

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.frontends.ssl_inputs import MelInput
from moe_mamba_asv.models.frontends.ssl_source import Published


class MaskedPredictor(nn.Module):
    """Waveform > frames of the model's input > hidden ones replaced > encoder > linear: one score for each cluster.

    The encoder is the published model itself, so what is trained here can be written back as it is.

    Args:
        published: the model, whose weights are trained in place.
        num_clusters: to predict.
        trainable: first and last encoder layer that is trained, from 0; None trains the whole model. The embedding of
            hidden frames and the linear part are trained in any case.

    Raises:
        ConfigError: the model has fewer layers.
    """

    def __init__(self, published: Published, num_clusters: int, trainable: tuple[int, int] | None) -> None:
        super().__init__()
        is_whisper = published.model.config.model_type == "whisper"
        self.encoder = MaskedWhisper(published) if is_whisper else MaskedConvolutional(published)
        self.head = nn.Linear(published.model.config.hidden_size, num_clusters)
        self.trainable = trainable
        if trainable is not None:
            first, last = trainable
            if last >= len(self.encoder.layers):
                raise ConfigError(
                    f"trainable layers {first} to {last}", wanted=f"layers from 0 to {len(self.encoder.layers) - 1}"
                )
            self.encoder.requires_grad_(False)
            self.encoder.layers[first : last + 1].requires_grad_(True)
            self.encoder.mask_embedding.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of what is trained; where that is some layers, the rest stays in evaluation mode."""
        super().train(mode)
        if self.trainable is not None:
            first, last = self.trainable
            self.encoder.eval()
            self.encoder.layers[first : last + 1].train(mode)
        return self

    def forward(self, waveforms: Tensor, mask: Tensor) -> Tensor:
        """Predict.

        Args:
            waveforms: (batch, samples), 16 kHz.
            mask: (batch, frames), true where hidden.

        Returns:
            (batch, frames, clusters), logits.
        """
        return self.head(self.encoder(waveforms, mask))


class MaskedConvolutional(nn.Module):
    """WavLM, wav2vec 2.0 or HuBERT: frames are hidden behind the projection, before positions are added.

    In training, dropout and the skipping of layers are as the model's configuration says.

    Args:
        published: the model.
    """

    def __init__(self, published: Published) -> None:
        super().__init__()
        self.model, self.prepare = published

    @property
    def layers(self) -> nn.ModuleList:
        """Of the encoder."""
        return self.model.encoder.layers

    @property
    def mask_embedding(self) -> nn.Parameter:
        """(width,)."""
        return self.model.masked_spec_embed

    def frame_centres(self, num_samples: int) -> Tensor:
        """(frames,): the middle of what each frame sees of so many samples; no convolution pads."""
        hop_samples, seen_samples, num_frames = 1, 1, num_samples
        for kernel, stride in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            seen_samples += (kernel - 1) * hop_samples
            hop_samples *= stride
            num_frames = (num_frames - kernel) // stride + 1
        return seen_samples / 2 + hop_samples * torch.arange(num_frames)

    def forward(self, waveforms: Tensor, mask: Tensor) -> Tensor:
        """(batch, samples) and (batch, frames) to (batch, frames, width)."""
        return self.model(self.prepare(waveforms), mask_time_indices=mask).last_hidden_state


class MaskedWhisper(nn.Module):
    """Whisper's encoder: frames are hidden behind the convolutions, before positions are added.

    Whisper was not pre-trained so: its embedding of hidden frames is drawn at random, and is no part of the model that
    is written. A clip is not padded to 30 s, as in `MelInput`.

    Args:
        published: the model.
    """

    def __init__(self, published: Published) -> None:
        super().__init__()
        encoder = published.model.encoder
        self.prepare, self.input = published.prepare, MelInput(encoder)
        self.layers: nn.ModuleList = encoder.layers
        self.norm: nn.Module = encoder.layer_norm
        # As published. Besides, those behind the end of a crop would stay where they are while the others move.
        self.input.positions.requires_grad_(False)
        self.mask_embedding = nn.Parameter(torch.empty(self.input.width).uniform_())

    def frame_centres(self, num_samples: int) -> Tensor:
        """(frames,): the middle of what each frame sees of so many samples; the first is padded to its left."""
        return SAMPLE_RATE_HZ / self.input.frame_rate_hz * torch.arange(self.input.num_frames(num_samples))

    def forward(self, waveforms: Tensor, mask: Tensor) -> Tensor:
        """(batch, samples) and (batch, frames) to (batch, frames, width); see `MelInput` for the error."""
        frames = self.input.convolve(self.prepare(waveforms))
        frames = self.input.place(torch.where(mask[..., None], self.mask_embedding, frames))
        for layer in self.layers:
            frames = layer(frames, attention_mask=None)
        return self.norm(frames)
