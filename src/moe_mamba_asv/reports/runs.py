"""What run folders tell beyond their curves: the settings of each, and runs that differ in the seed alone."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from moe_mamba_asv.diagnostics.results.training import SeedsResult
from moe_mamba_asv.diagnostics.run_folder import read_record
from moe_mamba_asv.diagnostics.training import diagnose_seeds
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.reports.subjects import Subject


def read_settings(run: Path) -> dict[str, str]:
    """The resolved recipe of a run, by dotted key, values as JSON; a folder's own path is cut to its name.

    Raises:
        TrainingError: ``run.json`` is not there, or tells no recipe.
    """
    recipe = read_record(run)["asked"].get("recipe")
    if not isinstance(recipe, dict):
        raise TrainingError(f"{run / 'run.json'} tells no recipe", wanted="a folder that mma train wrote")
    parts = {name: recipe.get(name, {}) for name in ("model", "training")}
    return {key: _printed(value) for name, part in parts.items() for key, value in _flat(name, part)}


def seeds_of(subjects: Sequence[Subject]) -> tuple[SeedsResult, ...]:
    """Spread over seeds, for every set of two or more runs that were asked the same but for the seed."""
    groups: dict[str, dict[int, Path]] = {}
    for subject in subjects:
        if subject.run is not None:
            asked = dict(read_record(subject.run)["asked"])
            seed = asked.pop("seed", 0)
            groups.setdefault(json.dumps(asked, sort_keys=True), {}).setdefault(seed, subject.run)
    return tuple(diagnose_seeds(list(runs.values())) for runs in groups.values() if len(runs) > 1)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every leaf by its dotted key; a list of plain values is a leaf, and so is what is empty."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for number, inner in enumerate(value):
            yield from _flat(f"{name}.{number}", inner)
    else:
        yield name, value


def _printed(value: Any) -> str:
    if isinstance(value, str):
        return Path(value).name if Path(value).is_absolute() else value
    return json.dumps(value, ensure_ascii=False)
