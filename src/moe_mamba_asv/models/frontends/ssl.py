"""Self-supervised speech models as front-ends: WavLM, wav2vec 2.0 (XLS-R), HuBERT, and the encoder of Whisper."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Self

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from moe_mamba_asv.errors import AudioError, CheckpointError, ConfigError
from moe_mamba_asv.models.frontends.fast_products import fast_products, medium_is_float32
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.lora import insert_adapters, is_adapter, set_adapter_mode
from moe_mamba_asv.models.frontends.ssl_config import SslConfig, layers_in_use
from moe_mamba_asv.models.frontends.ssl_inputs import ConvolutionalInput, MelInput, UnitVariance, WhisperLogMel
from moe_mamba_asv.models.frontends.wavlm_attention import WavlmAttention

#: ``model_type`` in a model's config.json.
FAMILIES = ("hubert", "wav2vec2", "wavlm", "whisper")


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
        self.prepare = _preparation(self._architecture)
        source = config.source if architecture is None else None
        model_config = _configuration(self._architecture)
        num_layers: int = model_config.num_hidden_layers
        num_used = layers_in_use(config, num_layers)
        model_config.num_hidden_layers = num_used
        if model_config.model_type == "whisper":
            model_config.decoder_layers = 0
            encoder = _build(model_config, source).encoder
            self.input = MelInput(encoder)
            has_final_norm = True
        else:
            model_config.add_adapter = False
            model_config.mask_time_prob = model_config.mask_feature_prob = 0.0
            model = _build(model_config, source)
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
        self.mix = LayerMix(num_used + 1) if config.layers == "weighted" else None
        self.width = self.input.width
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


def _import_transformers() -> ModuleType:
    # Here and not at the top: it takes seconds, and most models do without it.
    import transformers

    return transformers


def read_architecture(source: str) -> dict[str, Any]:
    """What the model at a source is, without its weights; see `SslFrontend.architecture`.

    Raises:
        CheckpointError: no model at the source, or one of another family.
    """
    transformers = _import_transformers()
    with _reading(source):
        raw, _ = transformers.PretrainedConfig.get_config_dict(source)
    family = raw.get("model_type")
    if family not in FAMILIES:
        raise CheckpointError(f"{source}: model_type {family!r} in config.json", wanted=f"one of {', '.join(FAMILIES)}")
    model_config = transformers.CONFIG_MAPPING[family].from_dict(raw)
    architecture = model_config.to_dict()
    # Where and how its weights are kept, and which heads it once had, is not what it is.
    for name in ("_name_or_path", "architectures", "dtype", "id2label", "label2id", "transformers_version"):
        architecture.pop(name, None)
    if family != "whisper":
        architecture["do_normalize"] = _reads_normalised(source, model_config)
    return architecture


def _reads_normalised(source: str, model_config: Any) -> bool:
    """Whether the model wants clips of unit variance."""
    transformers = _import_transformers()
    try:
        preprocessor, _ = transformers.Wav2Vec2FeatureExtractor.get_feature_extractor_dict(source)
    except OSError:
        # Without a preprocessor_config.json: large models (norm in each convolution) were trained so, base ones not.
        return model_config.feat_extract_norm == "layer"
    return preprocessor.get("do_normalize", True)


class Published(NamedTuple):
    """A published model whole, in transformers' own modules.

    Attributes:
        model: of one of the `FAMILIES`; of Whisper the encoder, and no decoder layers.
        prepare: (batch, samples) at 16 kHz to what the model reads.
    """

    model: Any
    prepare: nn.Module


def load_published(source: str, *, at_random: bool = False) -> Published:
    """A model to train further as it was pre-trained, and to write back with `save_published`.

    Unlike `SslFrontend`, which rebuilds parts for speed, its weights keep their names and parametrisation. It has an
    embedding for masked frames, drawn at random where the source has none, and masks nothing on its own.

    Args:
        source: folder written by transformers' save_pretrained, or a hub id.
        at_random: draw the weights from PyTorch's generator; then a config.json is all that the source needs.

    Raises:
        CheckpointError: no model at the source, one of another family, or one whose weights are incomplete.
    """
    architecture = read_architecture(source)
    model_config = _configuration(architecture)
    if model_config.model_type == "whisper":
        model_config.decoder_layers = 0
    else:
        model_config.add_adapter = False
        model_config.apply_spec_augment = True  # else transformers leaves a mask that it is given unused
        model_config.mask_time_prob = model_config.mask_time_prob or 0.05  # else it has no embedding for masked frames
        model_config.mask_feature_prob = 0.0
    return Published(_build(model_config, None if at_random else source), _preparation(architecture))


def save_published(published: Published, folder: Path) -> None:
    """Write config.json, model.safetensors and preprocessor_config.json: a folder that `SslConfig.source` can name.

    Args:
        published: as `load_published` answered it; of Whisper, the encoder is written and no decoder.
        folder: made if it is not there.
    """
    transformers = _import_transformers()
    model, state = published.model, published.model.state_dict()
    if model.config.model_type == "whisper":
        state = {name: tensor for name, tensor in state.items() if name.startswith("encoder.")}
        extractor = transformers.WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=isinstance(published.prepare, UnitVariance))
    with _quiet(transformers.utils.logging):
        model.save_pretrained(folder, state_dict=state)
    extractor.save_pretrained(folder)


def _configuration(architecture: Mapping[str, Any]) -> Any:
    """The model's configuration in transformers."""
    described = {name: value for name, value in architecture.items() if name != "do_normalize"}
    return _import_transformers().AutoConfig.for_model(**described)


def _preparation(architecture: Mapping[str, Any]) -> nn.Module:
    """What lies between a waveform and the model's first layer of weights."""
    if architecture["model_type"] == "whisper":
        return WhisperLogMel(architecture["num_mel_bins"])
    return UnitVariance() if architecture["do_normalize"] else nn.Identity()


def _build(model_config: Any, source: str | None) -> Any:
    """A model of transformers in float32, with weights from a source or, without one, drawn at random.

    Raises:
        CheckpointError: the source cannot be read, or lacks weights.
    """
    transformers = _import_transformers()
    # WavLM's attention has no other implementation there; ours takes its place.
    options = {"dtype": torch.float32, "attn_implementation": "eager" if model_config.model_type == "wavlm" else "sdpa"}
    if source is None:
        return transformers.AutoModel.from_config(model_config, **options)
    with _reading(source), _quiet(transformers.utils.logging):
        model, report = transformers.AutoModel.from_pretrained(
            source, config=model_config, output_loading_info=True, ignore_mismatched_sizes=True, **options
        )
    # Weights beyond those asked for are of layers that are not in use; what lacks of Whisper's decoder is thrown away,
    # and an embedding for masked frames is drawn at random, as it is before any pre-training.
    faults = {name for name in report["missing_keys"] if not name.startswith(("decoder.", "masked_spec_embed"))}
    faults |= {name for name, *_shapes in report["mismatched_keys"]}
    if faults:
        raise CheckpointError(
            f"{source} lacks {len(faults)} weights, or has them in another shape: {', '.join(sorted(faults)[:5])} …",
            wanted=f"a {model_config.model_type} encoder with {model_config.num_hidden_layers} or more layers",
        )
    return model


@contextmanager
def _reading(source: str) -> Iterator[None]:
    """Name the source in what transformers and the hub's client raise."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except (OSError, ValueError, SafetensorError, HfHubHTTPError) as error:
        raise CheckpointError(
            f"no self-supervised model could be read from {source!r}: {str(error).splitlines()[0]}",
            wanted="a folder written by transformers' save_pretrained, or a hub id that this machine can reach",
            remedy="`hf download HUB_ID --local-dir FOLDER` on a machine with a network, copy FOLDER here and name it "
            "as source",
        ) from error


@contextmanager
def _quiet(logging: ModuleType) -> Iterator[None]:
    """Without the table of unused weights, which are unused by design, and without a bar of its own."""
    before, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bar:
            logging.enable_progress_bar()
