"""The tables of a run folder, read back.

A run folder holds ``run.json`` (what was asked), ``metrics.csv`` (a row an epoch), ``steps.csv`` (a row a step that
was taken) and, if a number was not finite, ``events.jsonl``. A run that is still going on may be read.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from moe_mamba_asv.diagnostics.results.training import DataDigest, Epoch, RunFacts
from moe_mamba_asv.errors import TrainingError

#: Columns of ``metrics.csv`` that are no term of the loss.
_NO_TERMS = ("step", "dev_eer", "loss", "gradient_norm", "skipped", "roll_backs")
_NO_TERMS_OF = ("learning_rate_", "stream_share_", "expert_share_", "router_entropy_", "dead_experts_")
_REMEDY = "the --out folder of `mma train`"


def read_record(folder: Path) -> dict[str, Any]:
    """``run.json``: what was asked, and by whom.

    Raises:
        TrainingError: not there, or not a run's own record.
    """
    path = folder / "run.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise TrainingError(f"{folder} holds no run.json", wanted="a run folder", remedy=_REMEDY) from error
    except ValueError as error:
        raise TrainingError(f"{path} is not JSON: {error}", remedy=_REMEDY) from error
    if not isinstance(record, dict) or not isinstance(record.get("asked"), dict):
        raise TrainingError(f"{path} does not say what was asked", wanted="a run's own record", remedy=_REMEDY)
    return record


def read_facts(folder: Path, record: Mapping[str, Any]) -> RunFacts:
    """What must be known to repeat a run, out of its record.

    Raises:
        TrainingError: the record does not tell all.
    """
    try:
        asked, machine, git = record["asked"], record["machine"], record["git"] or {}
        return RunFacts(
            recipe=asked["recipe"]["name"],
            seed=asked["seed"],
            train=tuple(DataDigest(**one) for one in record["data"]["train"]),
            dev=tuple(DataDigest(**one) for one in record["data"]["dev"]),
            train_clips=asked["train_clips"],
            dev_clips=asked["dev_clips"],
            versions=record["versions"],
            system=machine["system"],
            gpus=tuple(machine["gpus"]),
            threads=machine["threads"],
            commit=git.get("commit"),
            has_changes=git.get("has_changes"),
            command=record["command"],
            started=record["started"],
            ended=record.get("ended"),
        )
    except (KeyError, TypeError, ValidationError) as error:
        raise TrainingError(
            f"{folder / 'run.json'} does not tell all: {error}", wanted="a record of `mma train`", remedy=_REMEDY
        ) from error


def read_epochs(folder: Path) -> list[Epoch]:
    """Rows of ``metrics.csv``; none where there is no such file.

    Raises:
        TrainingError: a table that no run wrote.
    """
    path = folder / "metrics.csv"
    if not path.is_file():
        return []
    try:
        table = pl.read_csv(path, infer_schema_length=None).cast(pl.Float64)
        rows = table.select("step", "dev_eer", pl.all().exclude("step", "dev_eer")).to_dicts()
        return [_epoch(number, row) for number, row in enumerate(rows, start=1)]
    except (pl.exceptions.PolarsError, TypeError, ValidationError) as error:
        raise TrainingError(
            f"{path}: {error}", wanted="a row an epoch, with step and dev_eer, as `mma train` writes it", remedy=_REMEDY
        ) from error


def _epoch(number: int, row: Mapping[str, float | None]) -> Epoch:
    values = {name: value for name, value in row.items() if value is not None and math.isfinite(value)}
    terms = [name for name in values if name not in _NO_TERMS and not name.startswith(_NO_TERMS_OF)]
    blocks: dict[int, dict[int, float]] = {}
    for place, share in _named(values, "expert_share_").items():
        block, expert = map(int, place.split("_"))
        blocks.setdefault(block, {})[expert] = share
    streams = {int(place): share for place, share in _named(values, "stream_share_").items()}
    return Epoch.model_validate(
        {
            "epoch": number,
            "step": values.get("step"),
            "loss": values.get("loss"),
            "dev_eer": values.get("dev_eer"),
            "terms": {name: values[name] for name in terms},
            "learning_rates": _named(values, "learning_rate_"),
            "stream_shares": _in_order(streams),
            "expert_shares": tuple(_in_order(blocks[block]) for block in sorted(blocks)),
        }
    )


def _named(values: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def _in_order(numbered: Mapping[int, float]) -> tuple[float, ...]:
    return tuple(numbered[number] for number in sorted(numbered))


def count_steps(folder: Path) -> int:
    """Whole rows of ``steps.csv``; its last one may be just on its way to the disk."""
    path = folder / "steps.csv"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.is_file() else 0


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Whole lines of ``events.jsonl``: ``step``, ``what``, ``culprit``, ``roll_backs``, ``action``.

    Raises:
        TrainingError: a line that no run wrote.
    """
    path = folder / "events.jsonl"
    events = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1] if path.is_file() else [], start=1):
        try:
            event = json.loads(line)
            events.append({key: event[key] for key in ("step", "what", "culprit", "roll_backs", "action")})
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"line {number} of {path} is {line[:40]!r}", wanted="a line that a run wrote"
            ) from error
    return events
