"""Self-supervised speech models as front-ends: WavLM, wav2vec 2.0 (XLS-R), HuBERT, and the encoder of Whisper."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors import SafetensorError
from torch import Tensor, nn

from moe_mamba_asv.errors import AudioError, CheckpointError, ConfigError
from moe_mamba_asv.models.frontends.fast_products import fast_products, medium_is_float32
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.ssl_inputs import ConvolutionalInput, MelInput, UnitVariance, WhisperLogMel
from moe_mamba_asv.models.frontends.wavlm_attention import WavlmAttention

#: ``model_type`` in a model's config.json.
FAMILIES = ("hubert", "wav2vec2", "wavlm", "whisper")


class SslConfig(BaseModel):
    """Which self-supervised model, which of its layers, and what of it is trained.

    Hidden states are numbered as transformers does: 0 lies before the first encoder layer, k behind the k-th.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ssl"] = "ssl"
    source: str = Field(
        description="folder written by transformers' save_pretrained, or a hub id such as microsoft/wavlm-large"
    )
    layers: Literal["last", "weighted"] | tuple[int, ...] = Field(
        default="last",
        description="last: what the last encoder layer in use answers; weighted: a learned mean of all hidden states; "
        "numbers: these hidden states, for a cascade",
    )
    num_layers: int | None = Field(
        default=None, ge=1, description="encoder layers in use, from the first; default: as many as `layers` needs"
    )
    trainable: tuple[int, int] | None = Field(
        default=None, description="first and last encoder layer that is trained, from 0; none: all are frozen"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="of weights and arithmetic below the first trained layer; bfloat16 is faster on a processor that "
        "has it, and moves hidden states by 1 to 2 %",
    )

    @model_validator(mode="after")
    def _layers_agree(self) -> "SslConfig":
        if not isinstance(self.layers, str):
            if not self.layers or self.layers[0] < 0 or any(b <= a for a, b in itertools.pairwise(self.layers)):
                raise ValueError(f"layers {self.layers}; wanted rising numbers from 0, such as [3, 12, 24]")
            if self.num_layers is not None and self.num_layers < self.layers[-1]:
                raise ValueError(f"layer {self.layers[-1]} of num_layers {self.num_layers}")
        if self.trainable is not None and not 0 <= self.trainable[0] <= self.trainable[1]:
            raise ValueError(f"trainable {self.trainable}; wanted first and last layer, from 0")
        return self


class SslFrontend(Frontend):
    """Waveform > input of the model > encoder layers > hidden states > the last, or a learned mean of all.

    Only the layers in use are built. A hidden state is what transformers calls by its number; the last one of a whole
    model is its ``last_hidden_state``, so behind the final norm, if there is one. A cut model has no final norm.

    A layer with a parameter that asks for a gradient counts as trained: such layers follow ``train()``, and an adapter
    put into a frozen layer makes it one. Everything below the first of them runs without a graph and stays in
    evaluation mode for good. The random masks and skipped layers of pre-training (SpecAugment, layerdrop) are not used.

    Args:
        config: which model, which layers.
        architecture: as a former front-end answered it: then the weights are drawn at random, to be loaded from
            elsewhere; else they come from ``config.source``.

    Attributes:
        architecture: all that is needed, beside the configuration, to build this without ``config.source``: the
            model's configuration in transformers and ``do_normalize``; JSON-able.

    Raises:
        CheckpointError: no model at ``config.source``, one of another family, or one whose weights are incomplete.
        ConfigError: the model has fewer layers than the configuration asks for.
    """

    def __init__(self, config: SslConfig, architecture: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.config = config
        self._architecture = read_architecture(config.source) if architecture is None else dict(architecture)
        source = config.source if architecture is None else None
        transformers = _import_transformers()
        described = {name: value for name, value in self._architecture.items() if name != "do_normalize"}
        model_config = transformers.AutoConfig.for_model(**described)
        num_layers: int = model_config.num_hidden_layers
        num_used = _layers_in_use(config, num_layers)
        model_config.num_hidden_layers = num_used
        if model_config.model_type == "whisper":
            model_config.decoder_layers = 0
            encoder = _build(model_config, source).encoder
            self.prepare = WhisperLogMel(model_config.num_mel_bins)
            self.input = MelInput(encoder)
            has_final_norm = True
        else:
            model_config.add_adapter = False
            model_config.mask_time_prob = model_config.mask_feature_prob = 0.0
            model = _build(model_config, source)
            encoder = model.encoder
            self.prepare = UnitVariance() if self._architecture["do_normalize"] else nn.Identity()
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
        if self.config.trainable is not None:
            first, last = self.config.trainable
            self.layers[first : last + 1].requires_grad_(True)
        self._num_bfloat16 = 0
        if self.config.precision == "bfloat16":
            self._num_bfloat16 = self._num_frozen()
            parts = [self.input, *self.layers[: self._num_bfloat16]]
            for part in parts if self.config.trainable else [*parts, self.norm]:
                part.to(torch.bfloat16)

    def _num_frozen(self) -> int:
        """Layers below the first trained one."""
        trained = (index for index, layer in enumerate(self.layers) if _is_trained(layer))
        return next(trained, len(self.layers))

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the trained layers; the rest stays in evaluation mode."""
        super().train(mode)
        for part in (self.input, *self.layers):
            if part is self.input or not _is_trained(part):
                part.eval()
        return self

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of so many samples gives."""
        return self.input.num_frames(num_samples)

    def borrowed(self) -> frozenset[str]:
        """All but the mix; see `Frontend.borrowed`."""
        own = self.state_dict().keys()
        return frozenset(name for name in own if name.partition(".")[0] in {"input", "layers", "norm"})

    def hidden_states(self, waveforms: Tensor) -> list[Tensor]:
        """The chosen hidden states, from low to high.

        Args:
            waveforms: (batch, samples), 16 kHz.

        Returns:
            One tensor (batch, frames, width) for each; all of them if the layers are to be weighted.

        Raises:
            AudioError: a clip is shorter than one frame, or longer than the model has positions for.
            ConfigError: an adapter was put into a layer that is held in bfloat16.
        """
        if waveforms.shape[1] < self.input.min_samples:
            raise AudioError(
                f"a clip of {waveforms.shape[1]} samples", wanted=f"at least {self.input.min_samples}, one frame"
            )
        num_frozen = self._num_frozen()
        if num_frozen < self._num_bfloat16:
            raise ConfigError(
                f"layer {num_frozen} is trained and held in bfloat16", remedy="precision: float32 for adapters"
            )
        with_graph = torch.is_grad_enabled()
        kept: dict[int, Tensor] = {}
        position_bias = None
        with fast_products(waveforms.device):
            with torch.no_grad():
                frames = self.input(self.prepare(waveforms))
            for index, layer in enumerate(self.layers):
                if index in self.chosen:
                    kept[index] = frames
                if index == num_frozen:
                    frames = frames.to(waveforms.dtype)
                with torch.set_grad_enabled(with_graph and index >= num_frozen):
                    frames, position_bias = _run_layer(layer, frames, position_bias)
            with torch.set_grad_enabled(with_graph and num_frozen < len(self.layers)):
                kept[len(self.layers)] = self.norm(frames)
        return [kept[index].to(waveforms.dtype) for index in self.chosen]

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width).

        Raises:
            ConfigError: the configuration chooses several hidden states, which are no single stream.
        """
        if not isinstance(self.config.layers, str):
            raise ConfigError(
                f"layers {self.config.layers} in a front-end of one stream",
                wanted="last or weighted",
                remedy="kind: cascade, which joins several",
            )
        states = self.hidden_states(waveforms)
        return states[0] if self.mix is None else self.mix(states)


def _is_trained(layer: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in layer.parameters())


def _run_layer(layer: nn.Module, frames: Tensor, position_bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """One encoder layer; those of WavLM hand the bias of the first on to the next."""
    if isinstance(getattr(layer, "attention", None), WavlmAttention):
        return layer(frames, position_bias=position_bias)
    return layer(frames, attention_mask=None), None


def _layers_in_use(config: SslConfig, num_layers: int) -> int:
    if isinstance(config.layers, str):
        num_used = num_layers if config.num_layers is None else config.num_layers
    else:
        num_used = config.layers[-1] if config.num_layers is None else config.num_layers
    if num_used > num_layers:
        raise ConfigError(f"layer {num_used} of {config.source}", wanted=f"at most {num_layers}")
    if config.trainable is not None and config.trainable[1] >= num_used:
        raise ConfigError(
            f"trainable layers {config.trainable} of {config.source}, of which {num_used} are in use",
            wanted=f"first and last from 0 to {num_used - 1}",
        )
    return num_used


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
    # Weights beyond those asked for are of layers that are not in use; what lacks of Whisper's decoder is thrown away.
    faults = {name for name in report["missing_keys"] if not name.startswith("decoder.")}
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
