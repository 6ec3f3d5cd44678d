"""What is asked of a pre-training run, and what it answers."""

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from moe_mamba_asv import __version__
from moe_mamba_asv.models.checkpoint import file_sha256
from moe_mamba_asv.training.pretrain.config import PretrainConfig
from moe_mamba_asv.training.pretrain.speech import Speech
from moe_mamba_asv.training.records.claim import claim_folder

#: Told as it goes on: what is done, how many of how many, and the last loss on what was held out, nan before it.
Report = Callable[[str, int, int, float], None]


@dataclass(frozen=True)
class Pretraining:
    """What is asked of a run.

    Attributes:
        source: of the starting model: a folder written by transformers' save_pretrained, or a hub id; a folder with a
            config.json is enough where the weights are drawn at random.
        speech: folder of audio files.
        out: the run folder, which becomes a source.
        config: how it is trained.
        seed: of everything random.
        device: of PyTorch.
    """

    source: str
    speech: Path
    out: Path
    config: PretrainConfig = field(default_factory=PretrainConfig)
    seed: int = 0
    device: str = "cpu"

    @property
    def state(self) -> Path:
        """The file from which the run resumes."""
        return self.out / "state" / "last.ckpt"

    @property
    def begun(self) -> bool:
        """Whether the folder has been claimed, by this run or another."""
        return (self.out / "run.json").is_file()

    @property
    def clusters(self) -> Path:
        """The file of what is predicted."""
        return self.out / "clusters.safetensors"


@dataclass(frozen=True)
class HeldOutPass:
    """How well the hidden frames of held-out clips were guessed.

    Attributes:
        loss: cross-entropy, nats.
        accuracy: share of frames whose cluster was scored highest.
        majority: accuracy of always answering the most frequent cluster.
    """

    loss: float
    accuracy: float
    majority: float


@dataclass(frozen=True)
class PretrainResult:
    """What a run answers.

    Attributes:
        model: folder that `SslConfig.source` can name.
        before: with the first weights.
        after: with the last.
        steps: done, those that were skipped among them.
        skipped: steps that were not taken, as a number was not finite.
        training_files: files to train on, the unreadable among them.
        held_out_files: the same, held out.
        unreadable: reason by name, of files that could not be read.
    """

    model: Path
    before: HeldOutPass
    after: HeldOutPass
    steps: int
    skipped: int
    training_files: int
    held_out_files: int
    unreadable: dict[str, str]


def claim(run: Pretraining, speech: Speech, *, resume: bool) -> None:
    """Write ``run.json``, or see that the folder holds this very run.

    Raises:
        TrainingError: it holds another one, or this one and it is not to be resumed.
    """
    versions = {"moe-mamba-asv": __version__, "python": platform.python_version(), "torch": torch.__version__}
    facts = {"source": run.source, "speech": str(run.speech), "versions": versions}
    claim_folder(run.out, _asked(run, speech), facts, resume=resume)


def _asked(run: Pretraining, speech: Speech) -> dict[str, Any]:
    """What a resumed run must not change; folders may have moved."""
    return {
        **json.loads(run.config.model_dump_json()),
        "seed": run.seed,
        "files": {"training": len(speech.training), "held_out": len(speech.held_out), "names_sha256": speech.sha256},
        "model_sha256": _source_sha256(run.source),
    }


def _source_sha256(source: str) -> dict[str, str]:
    """Digests of the files of a starting model; none of a hub id, whose content is the hub's business."""
    names = [path for path in sorted(Path(source).glob("*")) if path.suffix in {".json", ".safetensors", ".bin"}]
    return {path.name: file_sha256(path) for path in names}
