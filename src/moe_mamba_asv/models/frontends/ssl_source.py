"""Published self-supervised models, as the library transformers reads and writes them; nothing else here imports it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import nn

from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.frontends.ssl_inputs import UnitVariance, WhisperLogMel

#: ``model_type`` in a model's config.json.
FAMILIES = ("hubert", "wav2vec2", "wavlm", "whisper")


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
    model_config = model_configuration(architecture)
    if model_config.model_type == "whisper":
        model_config.decoder_layers = 0
    else:
        model_config.add_adapter = False
        model_config.apply_spec_augment = True  # else transformers leaves a mask that it is given unused
        model_config.mask_time_prob = model_config.mask_time_prob or 0.05  # else it has no embedding for masked frames
        model_config.mask_feature_prob = 0.0
    return Published(build_published(model_config, None if at_random else source), preparation(architecture))


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


def model_configuration(architecture: Mapping[str, Any]) -> Any:
    """The model's configuration in transformers."""
    described = {name: value for name, value in architecture.items() if name != "do_normalize"}
    return _import_transformers().AutoConfig.for_model(**described)


def preparation(architecture: Mapping[str, Any]) -> nn.Module:
    """What lies between a waveform and the model's first layer of weights."""
    if architecture["model_type"] == "whisper":
        return WhisperLogMel(architecture["num_mel_bins"])
    return UnitVariance() if architecture["do_normalize"] else nn.Identity()


def build_published(model_config: Any, source: str | None) -> Any:
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
