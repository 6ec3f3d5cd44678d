"""Model files: safetensors weights with everything inside that a score depends on.

The file's metadata has one entry, ``moe-mamba-asv``, a JSON object: ``format``, ``recipe`` (name), ``model``
(resolved configuration), ``label_order``, ``score_direction``, ``selection`` (which partition chose the weights, by
what, at which value), ``crop``, ``versions``, and where a published model is inside, ``architectures`` and ``omitted``:
its frozen weights are left out, as the configuration says where they come from, unless everything was asked for.
"""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from moe_mamba_asv import __version__
from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.aasist.official import convert_official, is_official
from moe_mamba_asv.models.build import ModelConfig, build_model
from moe_mamba_asv.models.output import LABEL_ORDER, Detector
from moe_mamba_asv.scores import DIRECTION, write_atomically

#: Safetensors writes metadata entries in random order; a single entry makes the file reproducible.
_ENTRY = "moe-mamba-asv"
_FORMAT = 1
#: Lines of a diff that are printed.
_SHOWN = 20
_CONFIG = TypeAdapter(ModelConfig)


@dataclass(frozen=True)
class Checkpoint:
    """A detector and what is known of it.

    Attributes:
        recipe: name, e.g. ``aasist``.
        config: from which the network is built.
        state: its weights, by our names.
        selection: how these weights were chosen: ``partition``, ``metric``, ``value``, ``step``, ``corpus``.
        num_samples: length of the crop that it was trained on and scores.
        versions: of this package, Python and PyTorch when it was written.
        architectures: of published models inside, see `Detector.architectures`.
        omitted: what the state leaves out: ``count``, and ``sha256`` of the weights; None where it is whole.
    """

    recipe: str
    config: ModelConfig
    state: Mapping[str, Tensor]
    selection: Mapping[str, Any]
    num_samples: int = NUM_SAMPLES
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())
    architectures: Sequence[Mapping[str, Any] | None] = ()
    omitted: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls,
        model: Detector,
        recipe: str,
        config: ModelConfig,
        selection: Mapping[str, Any],
        num_samples: int = NUM_SAMPLES,
        *,
        full: bool = False,
    ) -> "Checkpoint":
        """Take a model's weights.

        Args:
            full: take the frozen weights of a published model too; else they are left out, with their digest kept.
        """
        left_out = {} if full else _frozen(model)
        omitted = {"count": len(left_out), "sha256": _digest(left_out)} if left_out else None
        kept = {name: tensor for name, tensor in model.state_dict().items() if name not in left_out}
        return cls(recipe, config, kept, selection, num_samples, architectures=model.architectures(), omitted=omitted)

    def build(self) -> Detector:
        """Build the network and load the weights, each of them; what was left out comes from its source.

        Raises:
            CheckpointError: an entry is missing, unexpected or of another shape, the message lists them; or a source
                answers other weights than those that this model was trained on.
        """
        model = build_model(self.config, None if self.omitted else self.architectures or None)
        left_out = {}
        if self.omitted:
            absent = model.borrowed() - self.state.keys()
            left_out = {name: tensor for name, tensor in model.state_dict().items() if name in absent}
        if self.omitted and _digest(left_out) != self.omitted["sha256"]:
            raise CheckpointError(
                f"{len(left_out)} frozen weights whose source has changed since this model was trained",
                wanted=f"the {self.omitted['count']} weights with sha256 {self.omitted['sha256'][:12]}…",
                remedy="the same version of the source, or a file written with `mma export --full`",
            )
        state = {**self.state, **left_out}
        _require_same(model.state_dict(), state)
        model.load_state_dict(state)
        model.replaced = model.borrowed() & self.state.keys()
        return model.eval()


def _versions() -> dict[str, str]:
    return {"moe-mamba-asv": __version__, "python": platform.python_version(), "torch": torch.__version__}


def own_weights(model: Detector) -> dict[str, Tensor]:
    """Entries of the state dict that no published model can give again, as views: what a light file holds."""
    left_out = _frozen(model)
    return {name: tensor for name, tensor in model.state_dict().items() if name not in left_out}


def _frozen(model: Detector) -> dict[str, Tensor]:
    """Entries of the state dict that are as a published model has them, and stay so."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    left_out = model.borrowed() - model.replaced - trained
    return {name: tensor for name, tensor in model.state_dict().items() if name in left_out}


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _require_same(wanted: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> None:
    different = differences(wanted, got)
    if different:
        raise CheckpointError(
            f"weights that do not fit their configuration, {different}",
            remedy="load the file with the version of moe-mamba-asv that wrote it",
        )


def differences(wanted: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> str:
    """What keeps one set of named tensors from taking the place of another, a line each; empty if nothing does."""
    faults = [f"- {name} {tuple(wanted[name].shape)} is missing" for name in wanted.keys() - got.keys()]
    faults += [f"+ {name} {tuple(got[name].shape)} is unknown" for name in got.keys() - wanted.keys()]
    for name in wanted.keys() & got.keys():
        if wanted[name].shape != got[name].shape:
            faults.append(f"! {name} is {tuple(got[name].shape)}, wanted {tuple(wanted[name].shape)}")
    shown = [*sorted(faults)[:_SHOWN], *(["…"] if len(faults) > _SHOWN else [])]
    return "\n  ".join([f"{len(faults)} entries:", *shown]) if faults else ""


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a model file, atomically; the same weights and facts give the same bytes."""
    header = {
        "format": _FORMAT,
        "recipe": checkpoint.recipe,
        "model": json.loads(checkpoint.config.model_dump_json()),
        "label_order": LABEL_ORDER,
        "score_direction": DIRECTION,
        "selection": dict(checkpoint.selection),
        "crop": {"num_samples": checkpoint.num_samples, "rule": "first samples; a shorter clip is repeated"},
        "versions": dict(checkpoint.versions),
    }
    if any(checkpoint.architectures):
        header |= {"architectures": list(checkpoint.architectures), "omitted": checkpoint.omitted}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.state.items()}
    write_atomically(path, save(tensors, metadata={_ENTRY: json.dumps(header)}))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read one of our model files, or official AASIST weights (``.pth``).

    Raises:
        CheckpointError: the file is missing, is neither, or contradicts itself.
    """
    if not path.is_file():
        raise CheckpointError(f"no model file at {path}", wanted="a .safetensors file, or an official AASIST .pth")
    if path.suffix in {".pth", ".pt"}:
        return _load_official(path)
    header, state = _read_safetensors(path)
    if header.get("format") != _FORMAT:
        raise CheckpointError(f"{path}: format {header.get('format')!r}", wanted=f"{_FORMAT} in its header")
    if tuple(header["label_order"]) != LABEL_ORDER or header["score_direction"] != DIRECTION:
        raise CheckpointError(
            f"{path}: labels {header['label_order']}, {header['score_direction']!r}",
            wanted=f"labels {list(LABEL_ORDER)}, {DIRECTION!r}",
        )
    try:
        config = _CONFIG.validate_python(header["model"])
    except ValidationError as error:
        raise CheckpointError(f"{path}: a model configuration that is not understood: {error}") from error
    return Checkpoint(
        header["recipe"],
        config,
        state,
        header["selection"],
        header["crop"]["num_samples"],
        header["versions"],
        header.get("architectures", ()),
        header.get("omitted"),
    )


def _read_safetensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(_ENTRY, "{}"))
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {error}", wanted="a safetensors file written by `mma train` or `mma export`"
        ) from error


def _load_official(path: Path) -> Checkpoint:
    try:
        # weights_only: a pickle from elsewhere may hold tensors and nothing that runs.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{path} cannot be read: {error}", wanted="an official AASIST state dict") from error
    if not isinstance(state, dict) or not is_official(state):
        raise CheckpointError(f"{path} holds other weights than AASIST's", wanted="an official AASIST state dict")
    name, config, renamed = convert_official(state)
    return Checkpoint(name, config, renamed, {"partition": "dev", "by": "its authors", "source": path.name})


def file_sha256(path: Path) -> str:
    """Digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
