"""Recipes: a few lines of YAML that fix a model and its training."""

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.build import ModelConfig

_FOLDER = files("moe_mamba_asv.training") / "recipes"


class TrainingConfig(BaseModel):
    """How the weights are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(ge=1, description="clips a step")
    epochs: int = Field(ge=1, description="passes over the training partition; --max-steps overrules it")
    learning_rate: float = Field(gt=0, description="of Adam, at the first step")
    min_learning_rate: float = Field(ge=0, description="at the last step; a cosine joins the two")
    weight_decay: float = Field(ge=0, description="L2 penalty in Adam")
    class_weights: tuple[float, float] = Field(description="cross-entropy weight of [spoof, bonafide]")
    num_samples: int = Field(
        default=NUM_SAMPLES, ge=1600, description="samples at 16 kHz that dev and scoring hear of a clip"
    )
    crop_samples: int = Field(default=NUM_SAMPLES, ge=1600, description="samples of a random crop in training")
    crops_per_clip: int = Field(default=1, ge=1, description="how often an epoch hears each clip")


class Recipe(BaseModel):
    """A model and its training, resolved."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    model: ModelConfig
    training: TrainingConfig


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
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merge(base[key], value) if both else value
    return merged


def _apply(raw: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override!r}", wanted="KEY=VALUE, e.g. training.batch_size=8")
    *parents, last = key.split(".")
    place = raw
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override!r}: {parent!r} is a value", wanted="the name of a section")
    place[last] = yaml.safe_load(value)


def _explain(name: str, error: ValidationError) -> str:
    """The first fault of a recipe, with the nearest name where a key is unknown."""
    fault = error.errors()[0]
    where = [str(part) for part in fault["loc"]]
    if fault["type"] != "extra_forbidden":
        return f"{name}: {'.'.join(where)} is {fault.get('input')!r}: {fault['msg']}"
    section = _known_keys(where)
    close = difflib.get_close_matches(where[-1], section, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(section)}"
    return f"{name}: unknown key {where[-1]!r} in {where[0]!r}; {hint}"


def _known_keys(where: list[str]) -> list[str]:
    """The keys of the section that an error's location lies in."""
    if where[0] == "training":
        return list(TrainingConfig.model_fields)
    if where[0] == "model" and len(where) > 1:
        kinds = {kind.model_fields["kind"].default: kind for kind in ModelConfig.__origin__.__args__}  # pyright: ignore
        return list(kinds[where[1]].model_fields)
    return list(Recipe.model_fields)
