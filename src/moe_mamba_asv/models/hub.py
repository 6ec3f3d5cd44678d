"""Models by name: a file, a folder, or a repository on a model hub; and the way back, with a card.

A repository holds ``model.safetensors``, written by `checkpoint`, and ``README.md``, its card.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint
from moe_mamba_asv.models.output import Detector

if TYPE_CHECKING:
    from huggingface_hub import HfApi

#: What a training run leaves for others to score with, and what a hub repository holds.
BEST_MODEL, HUB_MODEL = "best.safetensors", "model.safetensors"
_SCHEME = "hf://"


def find_model(name: str) -> Path:
    """The model file that a person means.

    Args:
        name: a file; a folder that holds `BEST_MODEL` or `HUB_MODEL`; or ``hf://owner/name``, perhaps with
            ``@revision``.

    Raises:
        CheckpointError: there is none of these; or the hub cannot be reached and has not been asked before.
    """
    if name.startswith(_SCHEME):
        return _fetch(name)
    path = Path(name)
    candidates = [path / BEST_MODEL, path / HUB_MODEL] if path.is_dir() else [path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise CheckpointError(
        f"no model at {candidates[0]}",
        wanted=f"a .safetensors file, an official AASIST .pth, a folder that holds {BEST_MODEL}, or hf://owner/name",
        remedy="`mma train` makes one",
    )


def _fetch(name: str) -> Path:
    # Imported where it is used: who scores with a file need not wait for a hub's client.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, revision = name.removeprefix(_SCHEME).partition("@")
    try:
        return Path(hf_hub_download(repository, HUB_MODEL, revision=revision or None))
    except (HfHubHTTPError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        first_line = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{name} cannot be fetched: {first_line}",
            wanted=f"hf://owner/name, a repository with {HUB_MODEL}",
            remedy="where the hub cannot be reached, copy the repository here and name its folder",
        ) from error


def from_pretrained(name: str) -> Detector:
    """A detector with its weights, in eval mode; see `find_model` for what a name may be."""
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
    """Publish a model file with its card, in one commit.

    Args:
        path: one of our model files.
        repository: ``owner/name``; made where it is not there.
        card: what the file does not know.
        private: whether a repository that is made is private.
        api: of the hub; another for tests.

    Returns:
        The commit's address.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    checkpoint = load_checkpoint(path)
    api = api or HfApi()
    api.create_repo(repository, private=private, exist_ok=True)
    additions = [
        CommitOperationAdd(HUB_MODEL, path),
        CommitOperationAdd("README.md", write_card(checkpoint, repository, card).encode()),
    ]
    return str(api.create_commit(repository, additions, commit_message=f"{checkpoint.recipe}").commit_url)


def write_card(checkpoint: Checkpoint, repository: str, card: Card) -> str:
    """A model card in Markdown: how to load it, how it was chosen, what its score means, its limits."""
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
