"""Self-supervised speech models as front-ends: WavLM, wav2vec 2.0 (XLS-R), HuBERT, and the encoder of Whisper."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.models.frontends.fast_products import fast_products, medium_is_float32
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.frontends.fused_linear import fuse_linear
from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.lora import insert_adapters, is_adapter, set_adapter_mode
from moe_mamba_asv.models.frontends.ssl_config import SslConfig, layers_in_use
from moe_mamba_asv.models.frontends.ssl_inputs import ConvolutionalInput, MelInput
from moe_mamba_asv.models.frontends.ssl_source import (
    build_published,
    model_configuration,
    preparation,
    read_architecture,
)
from moe_mamba_asv.models.frontends.wavlm_attention import WavlmAttention


class SslFrontend(Frontend):
    """Waveform > input of the model > encoder layers > hidden states > the last, or a learned mean of all.

    Only the layers in use are built. A hidden state is what transformers calls by its number; the last one of a whole
    model is its ``last_hidden_state``, so behind the final norm, if there is one. A cut model has no final norm.

    A layer with a parameter that asks for a gradient counts as trained, and an adapter in a frozen layer makes it one.
    Everything below the first of them runs without a graph, and may be computed once and kept: `fixed`. A layer whose
    own weights are trained follows ``train()``; any other stays in evaluation mode for good, also where it is adapted:
    there, only the dropout of its adapters follows. The random masks and skipped layers of pre-training (SpecAugment,
    layerdrop) are not used.

    Args:
        config: which model, which layers.
        architecture: as a former front-end answered it: then the weights are drawn at random, to be loaded from
            elsewhere; else they come from ``config.source``.

    Attributes:
        architecture: all that is needed, beside the configuration, to build this without ``config.source``: the
            model's configuration in transformers and ``do_normalize``; JSON-able.

    Raises:
        CheckpointError: no model at ``config.source``, one of another family, or one whose weights are incomplete.
        ConfigError: the model has fewer layers than the configuration asks for, or no such part to adapt.
    """

    def __init__(self, config: SslConfig, architecture: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.config = config
        self._architecture = read_architecture(config.source) if architecture is None else dict(architecture)
        self.prepare = preparation(self._architecture)
        source = config.source if architecture is None else None
        model_config = model_configuration(self._architecture)
        num_layers: int = model_config.num_hidden_layers
        num_used = layers_in_use(config, num_layers)
        model_config.num_hidden_layers = num_used
        if model_config.model_type == "whisper":
            model_config.decoder_layers = 0
            encoder = build_published(model_config, source).encoder
            self.input = MelInput(encoder)
            has_final_norm = True
        else:
            model_config.add_adapter = False
            model_config.mask_time_prob = model_config.mask_feature_prob = 0.0
            model = build_published(model_config, source)
            encoder = model.encoder
            self.input = ConvolutionalInput(model)
            has_final_norm = model_config.do_stable_layer_norm
        if model_config.model_type == "wavlm":
            for layer in encoder.layers:
                layer.attention = WavlmAttention(layer.attention)
        self.layers: nn.ModuleList = encoder.layers
        self.norm: nn.Module = encoder.layer_norm if has_final_norm and num_used == num_layers else nn.Identity()
        match config.layers:
            case "last":
                self.chosen = (num_used,)
            case "weighted":
                self.chosen = tuple(range(num_used + 1))
            case _:
                self.chosen = config.layers
        self.width = self.input.width
        self.mix = (
            LayerMix(num_used + 1, self.width if config.standardised else None) if config.layers == "weighted" else None
        )
        self.frame_rate_hz = self.input.frame_rate_hz
        self.receptive_field_samples = self.input.receptive_field_samples
        self._freeze()
        self.train()
        medium_is_float32()  # measured now: within a forward it could be counted or traced as part of the model

    @property
    def architecture(self) -> dict[str, Any]:
        """See the class."""
        return self._architecture

    def _freeze(self) -> None:
        for part in (self.input, self.layers, self.norm):
            part.requires_grad_(False)
        if self.config.lora is not None:
            insert_adapters(self.layers, self.config.lora)
        for part in (self.input, self.layers):
            fuse_linear(part)  # behind the adapters, which come between a map and its activation
        if self.config.trainable is not None:
            first, last = self.config.trainable
            self.layers[first : last + 1].requires_grad_(True)
        self._num_bfloat16 = 0
        if self.config.precision == "bfloat16":
            self._num_bfloat16 = self._num_frozen()
            parts = [self.input, *self.layers[: self._num_bfloat16]]
            for part in parts if self._num_bfloat16 < len(self.layers) else [*parts, self.norm]:
                part.to(torch.bfloat16)

    def _num_frozen(self) -> int:
        """Layers below the first trained one."""
        trained = (index for index, layer in enumerate(self.layers) if _is_trained(layer))
        return next(trained, len(self.layers))

    def train(self, mode: bool = True) -> Self:
        """Set the mode of layers whose own weights are trained, and of adapters; the rest stays in evaluation mode."""
        super().train(mode)
        for part in (self.input, *self.layers):
            if part is self.input or not _is_trained(part, but_adapters=True):
                part.eval()
                set_adapter_mode(part, mode)
        return self

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of so many samples gives."""
        return self.input.num_frames(num_samples)

    def borrowed(self) -> frozenset[str]:
        """All but the mix and the adapters; see `Frontend.borrowed`."""
        names = (name for name in self.state_dict() if not is_adapter(name))
        return frozenset(name for name in names if name.partition(".")[0] in {"input", "layers", "norm"})

    def _first_learned(self) -> int:
        """Number of the last hidden state that no training changes.

        Raises:
            ConfigError: an adapter was put into a layer that is held in bfloat16.
        """
        num_frozen = self._num_frozen()
        if num_frozen < self._num_bfloat16:
            raise ConfigError(
                f"layer {num_frozen} is trained and held in bfloat16", remedy="precision: float32 for adapters"
            )
        return min(num_frozen, self.chosen[-1])

    def fixed(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        """The chosen hidden states below the first trained layer, and then what goes into that layer.

        Where nothing is trained, these are all the chosen ones. See `Frontend.fixed`; a pass of this part answers the
        same bits each time, in training too.

        Args:
            waveforms: (batch, samples), 16 kHz.

        Returns:
            Tensors (batch, frames, width), in the waveforms' type.

        Raises:
            AudioError: a clip is shorter than one frame, or longer than the model has positions for.
            ConfigError: an adapter was put into a layer that is held in bfloat16.
        """
        if waveforms.shape[1] < self.input.min_samples:
            raise AudioError(
                f"a clip of {waveforms.shape[1]} samples", wanted=f"at least {self.input.min_samples}, one frame"
            )
        with torch.no_grad(), fast_products(waveforms.device):
            frames = self.input(self.prepare(waveforms))
            states = self._run_layers(frames, 0, self._first_learned())
        return tuple(state.to(waveforms.dtype) for state in states.values())

    @property
    def num_fixed(self) -> int:
        """See `Frontend.num_fixed`."""
        return len(self._fixed_numbers())

    def _fixed_numbers(self) -> list[int]:
        """Of the hidden states that `fixed` answers."""
        first = self._first_learned()
        return [*(number for number in self.chosen if number < first), first]

    def learned_states(self, *fixed: Tensor) -> list[Tensor]:
        """The chosen hidden states, from low to high, given what `fixed` answered.

        Returns:
            One tensor (batch, frames, width) for each; all of them if the layers are to be weighted.
        """
        numbers = self._fixed_numbers()
        first = numbers[-1]
        states = dict(zip(numbers, fixed, strict=True))
        if first < self.chosen[-1]:
            with fast_products(fixed[-1].device):
                states |= self._run_layers(fixed[-1], first, self.chosen[-1])
        return [states[number].to(fixed[-1].dtype) for number in self.chosen]

    def _run_layers(self, frames: Tensor, first: int, last: int) -> dict[int, Tensor]:
        """Hidden states from one number to another, given the first: the chosen ones, and in any case the last."""
        kept: dict[int, Tensor] = {}
        position_bias = _position_bias(self.layers, frames.shape[1]) if first < last else None
        for number in range(first, last + 1):
            if number > first:
                frames = _run_layer(self.layers[number - 1], frames, position_bias)
            if number in self.chosen or number == last:
                kept[number] = frames
        if last == len(self.layers):
            kept[last] = self.norm(kept[last])
        return kept

    def hidden_states(self, waveforms: Tensor) -> list[Tensor]:
        """The chosen hidden states, from low to high; see `fixed` for the errors and `learned_states`."""
        return self.learned_states(*self.fixed(waveforms))

    def learned(self, *fixed: Tensor) -> Tensor:
        """The trained layers, and the mix: what `fixed` answered to (batch, frames, width).

        Raises:
            ConfigError: the configuration chooses several hidden states, which are no single stream.
        """
        if not isinstance(self.config.layers, str):
            raise ConfigError(
                f"layers {self.config.layers} in a front-end of one stream",
                wanted="last or weighted",
                remedy="kind: cascade, which joins several",
            )
        states = self.learned_states(*fixed)
        return states[0] if self.mix is None else self.mix(states)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width); see `fixed` and `learned` for the errors."""
        return self.learned(*self.fixed(waveforms))


def _is_trained(layer: nn.Module, *, but_adapters: bool = False) -> bool:
    """Whether training changes a layer; with ``but_adapters``, whether it changes the layer's own weights."""
    return any(
        parameter.requires_grad
        for name, parameter in layer.named_parameters()
        if not (but_adapters and is_adapter(name))
    )


def _position_bias(layers: nn.ModuleList, num_frames: int) -> Tensor | None:
    """What WavLM's first layer says of distances, for all of its layers; it depends on nothing else. Else none."""
    attention = getattr(layers[0], "attention", None)
    return attention.position_bias(num_frames) if isinstance(attention, WavlmAttention) else None


def _run_layer(layer: nn.Module, frames: Tensor, position_bias: Tensor | None) -> Tensor:
    if position_bias is None:
        return layer(frames, attention_mask=None)
    frames, _bias = layer(frames, position_bias=position_bias)
    return frames
