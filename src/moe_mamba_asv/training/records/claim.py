"""A run folder belongs to one question: who asked what, of which data, with which code."""

import hashlib
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from moe_mamba_asv import __version__
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.scores import write_atomically
from moe_mamba_asv.types import Corpus

_GIT_TIMEOUT_S = 10


def claim_folder(out: Path, asked: Mapping[str, Any], facts: Mapping[str, Any], *, resume: bool) -> None:
    """Write ``run.json``, or see that the folder holds this very run.

    Args:
        out: the run folder.
        asked: what another run in the same folder must not change; JSON-able.
        facts: what else a person must know to repeat the run; JSON-able.
        resume: whether a run that is there may go on.

    Raises:
        TrainingError: the folder holds another run, or this one and it is not to be resumed.
    """
    record = json.loads(json.dumps({"asked": asked, **facts}))
    path = out / "run.json"
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return
    if not resume:
        raise TrainingError(f"{out} already holds a run", remedy="--resume to go on with it, or another --out")
    found = _read(path)["asked"]
    changed = [key for key in record["asked"] if record["asked"][key] != found.get(key)]
    if changed:
        raise TrainingError(
            f"{out} holds a run with other {', '.join(changed)}", remedy="the same options, or another --out"
        )


def note_end(out: Path) -> None:
    """Write into ``run.json`` when the run ended; of a run that was resumed, the last time."""
    path = out / "run.json"
    record = {**_read(path), "ended": _now()}
    write_atomically(path, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def facts_of(train: Sequence[Corpus], dev: Sequence[Corpus]) -> dict[str, Any]:
    """Versions, machine, state of the code, digests of the data, and the command."""
    names = ("torch", "numpy", "lightning", "transformers", "peft")
    return {
        "versions": {
            "moe-mamba-asv": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in names},
        },
        "machine": {
            "system": platform.platform(),
            "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
            "threads": torch.get_num_threads(),
        },
        "git": _git(),
        "data": {
            "train": [{"corpus": corpus.kind, "sha256": digest_of(corpus)} for corpus in train],
            "dev": [{"corpus": corpus.kind, "sha256": digest_of(corpus)} for corpus in dev],
        },
        "command": shlex.join(sys.argv),
        "started": _now(),
    }


def digest_of(corpus: Corpus) -> str:
    """SHA-256 over what is known of a corpus without reading audio: cheap, and good enough to see that it changed.

    It covers the utterance, label, attack, partition and file size in bytes of each row, sorted by utterance, each
    written as a JSON list. Where the files lie does not matter. A change that keeps a file's size is not seen; the
    size of a file that is not there is null.
    """
    digest = hashlib.sha256()
    columns = ("utterance", "label", "attack", "partition", "path")
    for *row, path in corpus.table.select(columns).sort("utterance").iter_rows():
        digest.update(json.dumps([*row, _size_bytes(path)]).encode())
    return digest.hexdigest()


def _size_bytes(path: str | None) -> int | None:
    try:
        return None if path is None else Path(path).stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"{path} is not JSON: {error}", remedy="another --out") from error
    if not isinstance(record, dict) or not isinstance(record.get("asked"), dict):
        raise TrainingError(f"{path} does not say what was asked", wanted="a run's own record", remedy="another --out")
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _git() -> dict[str, Any] | None:
    """Commit of the working folder, and whether it has changes; None where there is no repository or no git."""
    try:
        commit, changes = (
            subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=_GIT_TIMEOUT_S).stdout
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "has_changes": bool(changes.strip())}
