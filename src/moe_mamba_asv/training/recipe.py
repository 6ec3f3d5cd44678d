"""Recipes: a few lines of YAML that fix a model and its training."""

import difflib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.build import ModelConfig
from moe_mamba_asv.training.config import TrainingConfig

_FOLDER = files("moe_mamba_asv.training") / "recipes"


class Recipe(BaseModel):
    """A model and its training, resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    model: ModelConfig
    training: TrainingConfig

    @model_validator(mode="after")
    def _heads_and_losses_agree(self) -> "Recipe":
        """A head that no loss trains would stay as it was drawn; a loss without its head has nothing to read."""
        objective = self.training.objective
        pairs = {
            "projection_width": ("supcon", objective.supcon is not None),
            "num_attacks": ("attack_type", objective.attack_type > 0),
            "num_domains": ("domain", objective.domain > 0),
        }
        for head, (loss, is_wanted) in pairs.items():
            if (getattr(self.model, head, None) is not None) != is_wanted:
                raise ValueError(f"model.{head} and training.objective.{loss}: set both, or neither")
        return self


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _FOLDER.iterdir() if entry.name.endswith(".yaml"))


def load_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe by name, or from a YAML file, and change what ``KEY=VALUE`` overrides say.

    Raises:
        ConfigError: no such recipe; an unknown key, with the nearest name; an impossible value.
    """
    raw = _read(name)
    for override in overrides or []:
        _apply(raw, override)
    raw.setdefault("name", Path(name).stem)
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(_explain(name, error)) from error


def _read(name: str) -> dict[str, Any]:
    """The raw mapping, with what it extends underneath."""
    own = Path(name).suffix in {".yaml", ".yml"}
    if not own and name not in recipe_names():
        raise ConfigError(
            f"no recipe {name!r}", wanted=", ".join(recipe_names()) + " or a .yaml file", remedy=_nearest(name)
        )
    try:
        text = Path(name).read_text() if own else (_FOLDER / f"{name}.yaml").read_text()
        raw = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{name} cannot be read: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{name} holds {type(raw).__name__}", wanted="a mapping with `model` and `training`")
    parent = raw.pop("extends", None)
    return raw if parent is None else _merge(_read(parent), raw)


def _nearest(name: str) -> str:
    return " or ".join(difflib.get_close_matches(name, recipe_names(), n=2)) or "`mma recipes` lists them"


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one mapping over another; a section of another kind replaces the one beneath, whose keys it may not have."""
    if "kind" in over and over["kind"] != base.get("kind", over["kind"]):
        return dict(over)
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if both else value
    return merged


def _apply(raw: dict[str, Any], override: str) -> None:
    """Change one key; a number in it counts from 0 through a list."""
    key, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override!r}", wanted="KEY=VALUE, e.g. training.batch_size=8")
    *parents, last = key.split(".")
    place: Any = raw
    for parent in parents:
        place = _section(place, parent, override)
    parsed = yaml.safe_load(value)
    if isinstance(place, list):
        place[_index(place, last, override)] = parsed
    elif last == "kind" and place.get("kind") != parsed:
        place.clear()
        place["kind"] = parsed
    else:
        place[last] = parsed


def _section(place: Any, name: str, override: str) -> Any:
    found = place[_index(place, name, override)] if isinstance(place, list) else place.setdefault(name, {})
    if found is None and isinstance(place, dict):  # a section that is switched off, and is now wanted
        found = place[name] = {}
    if not isinstance(found, dict | list):
        raise ConfigError(f"--set {override!r}: {name!r} is a value", wanted="the name of a section")
    return found


def _index(place: list[Any], name: str, override: str) -> int:
    if not name.isdecimal() or int(name) >= len(place):
        raise ConfigError(f"--set {override!r}: {name!r} in a list of {len(place)}", wanted=f"0 to {len(place) - 1}")
    return int(name)


def _explain(name: str, error: ValidationError) -> str:
    """The first fault of a recipe, with the nearest name where a key is unknown."""
    fault = error.errors()[0]
    where = list(fault["loc"])
    if not where:  # of the recipe as a whole
        return f"{name}: {fault['msg']}"
    if fault["type"] != "extra_forbidden":
        return f"{name}: {'.'.join(map(str, where))} is {fault.get('input')!r}: {fault['msg']}"
    section = list(_section_type(where[:-1]).model_fields)
    close = difflib.get_close_matches(str(where[-1]), section, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(section)}"
    return f"{name}: unknown key {where[-1]!r} in {'.'.join(map(str, where[:-1])) or 'the recipe'!r}; {hint}"


def _section_type(where: Sequence[str | int]) -> type[BaseModel]:
    """The configuration that a validation error lies in; its location names keys, list positions and kinds."""
    kind: type[BaseModel] = Recipe
    candidates = [kind]
    for part in where:
        if part in kind.model_fields:
            candidates = _models_in(kind.model_fields[str(part)].annotation)
        kinds = {model.model_fields["kind"].default: model for model in candidates if "kind" in model.model_fields}
        named = [kinds[part]] if part in kinds else []
        kind = (named or candidates or [kind])[0]
    return kind


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every configuration that a type is made of: members of unions, elements of tuples."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
