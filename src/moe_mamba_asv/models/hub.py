"""Models by name: a file, a folder, or a repository on a model hub; and the way back, with a card.

A repository holds ``model.safetensors``, written by `checkpoint`, and ``README.md``, its card; perhaps also
``model.onnx``, exported from the former. Nothing here imports PyTorch before a model is read: who fetches an ONNX file
may not have it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.onnx_header import OnnxHeader, read_header
from moe_mamba_asv.models.shipped import SHIPPED, shipped_model

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from moe_mamba_asv.models.checkpoint import Checkpoint
    from moe_mamba_asv.models.output import Detector

#: What a training run leaves for others to score with, and what a hub repository holds.
BEST_MODEL, HUB_MODEL = "best.safetensors", "model.safetensors"
HUB_ONNX = "model.onnx"
HUB_SCHEME = "hf://"


def find_model(name: str) -> Path:
    """The model file that a person means.

    Args:
        name: a file; a folder that holds `BEST_MODEL` or `HUB_MODEL`; ``hf://owner/name``, perhaps with ``@revision``;
            or `SHIPPED`.

    Raises:
        CheckpointError: there is none of these; or the hub cannot be reached and has not been asked before.
    """
    if name.startswith(HUB_SCHEME):
        return _fetch(name, HUB_MODEL)
    if name == SHIPPED:
        return shipped_model()
    path = Path(name)
    candidates = [path / BEST_MODEL, path / HUB_MODEL] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise CheckpointError(
        f"no model at {candidates[0]}",
        wanted=f"a .safetensors file, an official AASIST .pth, a folder that holds {BEST_MODEL}, hf://owner/name, "
        f"or {SHIPPED}",
        remedy="`mma train` makes one",
    )


def fetch_onnx(name: str) -> Path:
    """The ONNX file of a hub repository.

    Args:
        name: ``hf://owner/name``, perhaps with ``@revision``.

    Raises:
        CheckpointError: the repository has none; the hub cannot be reached and has not been asked before; or its client
            is not installed, which the extra ``onnx`` does not bring.
    """
    try:
        return _fetch(name, HUB_ONNX)
    except ModuleNotFoundError as error:
        raise CheckpointError(
            f"{name} needs the package {error.name}, which is not installed",
            wanted="the hub's client",
            remedy=f"pip install huggingface-hub, or copy {HUB_ONNX} of the repository here and name it",
        ) from error


def _fetch(name: str, file: str) -> Path:
    # Imported where it is used: who scores with a file need not wait for a hub's client.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.removeprefix(HUB_SCHEME).partition("@")
    try:
        return Path(hf_hub_download(repository, file, revision=revision or None))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{name} cannot be fetched: {first_line}",
            wanted=f"hf://owner/name, a repository with {file}",
            remedy="where the hub cannot be reached, copy the repository here and name its folder",
        ) from error


def from_pretrained(name: str) -> "Detector":
    """A detector with its weights, in eval mode; see `find_model` for what a name may be."""
    from moe_mamba_asv.models.checkpoint import load_checkpoint

    return load_checkpoint(find_model(name)).build()


@dataclass(frozen=True)
class Card:
    """What a model card says beyond what the file itself knows.

    Attributes:
        title: of the card.
        licence: SPDX identifier of the weights.
        training_data: what it was trained on, in words.
        limits: what it must not be used for, or is known to be bad at.
    """

    title: str
    licence: str
    training_data: str
    limits: str


def push_to_hub(path: Path, repository: str, card: Card, *, private: bool = True, api: "HfApi | None" = None) -> str:
    """Publish a model file with its card, and the ONNX file beside it where there is one, in one commit.

    Args:
        path: one of our model files.
        repository: ``owner/name``; made where it is not there.
        card: what the file does not know.
        private: whether a repository that is made is private.
        api: of the hub; another for tests.

    Returns:
        The commit's address.

    Raises:
        CheckpointError: as `onnx_beside`; nothing is published.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    from moe_mamba_asv.models.checkpoint import load_checkpoint

    onnx = onnx_beside(path)
    checkpoint = load_checkpoint(path)
    api = api or HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    additions = [
        CommitOperationAdd(HUB_MODEL, path),
        CommitOperationAdd("README.md", write_card(checkpoint, repository, card, onnx).encode()),
    ]
    if onnx is not None:
        additions.append(CommitOperationAdd(HUB_ONNX, path.with_suffix(".onnx")))
    return str(api.create_commit(repository, additions, commit_message=f"{checkpoint.recipe}").commit_url)


def onnx_beside(path: Path) -> OnnxHeader | None:
    """What the ONNX file beside a model file says of itself: ``best.onnx`` beside ``best.safetensors``.

    Args:
        path: of the model file.

    Returns:
        None where there is no such file.

    Raises:
        CheckpointError: it is none of ours, or was exported from another model.
        ConfigError: ONNX Runtime is not installed.
    """
    from moe_mamba_asv.models.checkpoint import file_sha256

    beside = path.with_suffix(".onnx")
    if not beside.is_file():
        return None
    header = read_header(beside)
    if header.source_sha256 != file_sha256(path):
        raise CheckpointError(
            f"{beside} was exported from another model than {path.name}",
            wanted=f"one of {path.name} itself",
            remedy="`mma export --format onnx` again, or move it away",
        )
    return header


def write_card(checkpoint: "Checkpoint", repository: str, card: Card, onnx: OnnxHeader | None = None) -> str:
    """A model card in Markdown: how to load it, how it was chosen, what its score means, its limits.

    Args:
        checkpoint: the model.
        repository: ``owner/name``.
        card: what the model file does not know.
        onnx: of the ONNX file that is published with it; None where none is.
    """
    selection = {key: value for key, value in checkpoint.selection.items() if value is not None}
    configuration: dict[str, Any] = json.loads(checkpoint.config.model_dump_json())
    return f"""---
license: {card.licence}
library_name: moe-mamba-asv
tags: [audio-deepfake-detection, anti-spoofing]
---

# {card.title}

Recipe `{checkpoint.recipe}`. Score with `mma score FILE --model hf://{repository}`, or load it with
`moe_mamba_asv.models.hub.from_pretrained("hf://{repository}")`.
{_onnx_in_words(onnx, repository)}
A score is evidence, not proof; higher = bona fide. The model hears {checkpoint.num_samples:,} samples of a clip, at
16 kHz.

**Training data.** {card.training_data}

**Selection.** {json.dumps(selection, ensure_ascii=False)}

**Limits.** {card.limits}

**Configuration.**

```json
{json.dumps(configuration, indent=2)}
```
"""


def _onnx_in_words(onnx: OnnxHeader | None, repository: str) -> str:
    """A paragraph of the card; nothing where there is no ONNX file."""
    if onnx is None:
        return ""
    differs = f"on made clips its scores are at most {onnx.largest_difference:.1e} from PyTorch's"
    return (
        f"\nWithout PyTorch: `mma score FILE --model hf://{repository} --runtime onnx` takes `{HUB_ONNX}`, "
        f"{onnx.precision};\n{differs}.\n"
    )
