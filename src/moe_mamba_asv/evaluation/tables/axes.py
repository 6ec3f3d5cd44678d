"""What trials are broken down by: attack, codec, speaker, duration … and which level of it every trial has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.bootstrap import POOLED
from moe_mamba_asv.scores import name_some
from moe_mamba_asv.scores.table import CALIBRATED_COLUMNS
from moe_mamba_asv.types import Label

#: Level of trials of which the corpus does not tell.
NOT_GIVEN = "(not given)"
#: What only a spoofed trial has: its level is judged against the bona fide trials of all levels.
SPOOF_ONLY = ("attack", "attack_tag", "kind", "known", "vocoder")
#: Column that the axis ``duration`` is made of.
DURATION_COLUMN = "duration_s"
_NOT_LEVELS = ("path", "score", "utterance", *CALIBRATED_COLUMNS)
_QUARTILES = (0.25, 0.5, 0.75)


class Axis(BaseModel):
    """One thing that trials are broken down by."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(
        description="attack, duration, a column of the trials; or by the catalogue of attacks their kind, or known "
        "(known or unknown attack)"
    )
    levels: tuple[str, ...] = Field(
        default=(), description="levels that come first, in this order, even without trials; others follow, sorted"
    )
    labels: Mapping[str, str] = Field(
        default_factory=dict, description="what a reader sees in place of a level; levels not named show as they are"
    )
    edges_s: tuple[float, ...] = Field(
        default=(), description="of duration: ascending borders between bins, in seconds; none takes the quartiles"
    )

    @model_validator(mode="after")
    def _check_edges(self) -> "Axis":
        if self.edges_s and self.name != "duration":
            raise ValueError(f"edges_s of {self.name}: only duration has edges")
        if self.edges_s and (self.edges_s[0] <= 0 or any(low >= high for low, high in pairwise(self.edges_s))):
            raise ValueError(f"edges_s {self.edges_s}: wanted ascending and above zero")
        return self


@dataclass(frozen=True)
class Levels:
    """Trials sorted into the levels of one axis.

    Attributes:
        axis: what was asked for.
        names: the levels, in the order of a table.
        codes: int64 [trials], index into ``names``; -1 for bona fide trials where ``spoof_only``.
        spoof_only: whether only spoofed trials have levels.
    """

    axis: Axis
    names: tuple[str, ...]
    codes: np.ndarray = field(repr=False)
    spoof_only: bool


def sort_into_levels(trials: Trials, axis: Axis) -> Levels:
    """Give every trial its level.

    Levels belong to spoofed trials only if the axis is one of `SPOOF_ONLY`, or if its column says nothing of any bona
    fide trial (null, empty, or the word "bonafide").

    Args:
        trials: of one system.
        axis: what to sort by.

    Raises:
        ConfigError: there is no such column, no catalogue or no usable duration, or a level is named as the pooled one.
    """
    values, ordered = _values(trials, axis)
    values = values.set(values == "", None)
    of_bonafide = values.filter(pl.Series(trials.is_bonafide))
    spoof_only = axis.name in SPOOF_ONLY or bool((of_bonafide.is_null() | (of_bonafide == Label.BONAFIDE.value)).all())
    leveled = ~trials.is_bonafide if spoof_only else np.ones_like(trials.is_bonafide)
    values = values.fill_null(NOT_GIVEN)
    found = set(values.filter(pl.Series(leveled)).unique().to_list())
    if POOLED in found | set(axis.levels):
        raise ConfigError(f"{axis.name} has a level {POOLED!r}", wanted="another name: this one is of all levels")
    first = [*axis.levels, *(name for name in ordered if name not in axis.levels)]
    rest = sorted(found - {*first, NOT_GIVEN})
    names = (*first, *rest, *([NOT_GIVEN] if NOT_GIVEN in found - set(first) else []))
    codes = values.replace_strict(list(names), range(len(names)), default=-1, return_dtype=pl.Int64).to_numpy()
    return Levels(axis, names, np.where(leveled, codes, -1), spoof_only)


def _values(trials: Trials, axis: Axis) -> tuple[pl.Series, list[str]]:
    """The level of every trial, null where it is not told; and levels whose order is not the alphabet's."""
    match axis.name:
        case "attack":
            return _by_attack(trials, {name: name for name in trials.attack_names}), []
        case "kind" if trials.catalogue:
            return _by_attack(trials, {name: attack.kind for name, attack in trials.catalogue.items()}), []
        case "known" if trials.catalogue:
            names = {name: "known" if attack.known else "unknown" for name, attack in trials.catalogue.items()}
            return _by_attack(trials, names), []
        case "duration":
            return _bin_durations(trials, axis.edges_s)
        case name if name in trials.frame.columns:
            return trials.frame[name].cast(pl.String), []
    there = [name for name in trials.frame.columns if name not in _NOT_LEVELS]
    derived = ["kind", "known"] if trials.catalogue else []
    raise ConfigError(f"{trials.corpus} has no {axis.name!r} to break down by", wanted=", ".join([*derived, *there]))


def _by_attack(trials: Trials, levels: Mapping[str, str]) -> pl.Series:
    # The code of a trial without an attack is -1: it picks the last one.
    of_code = np.array([*(levels.get(name) for name in trials.attack_names), None], dtype=object)
    return pl.Series("attack", of_code[trials.attack].tolist(), dtype=pl.String)


def _bin_durations(trials: Trials, edges_s: tuple[float, ...]) -> tuple[pl.Series, list[str]]:
    if DURATION_COLUMN not in trials.frame.columns:
        raise ConfigError(
            f"{trials.corpus} does not tell how long its utterances are",
            wanted=f"a column {DURATION_COLUMN}, in seconds",
            remedy="a manifest that has it",
        )
    told = trials.frame[DURATION_COLUMN]
    durations_s = told.cast(pl.Float64, strict=False)
    usable = durations_s.is_finite() & (durations_s >= 0)
    wrong = told.filter(told.is_not_null() & ~usable.fill_null(False))
    if not wrong.is_empty():
        raise ConfigError(f"{len(wrong):,} durations such as {name_some([str(wrong[0])])}", wanted="seconds")
    if durations_s.null_count() == len(durations_s):
        raise ConfigError(f"no utterance has a value in {DURATION_COLUMN}", wanted="seconds")
    # Rounded before they are used, so that the names of the bins say exactly what is in them.
    edges = np.array(edges_s) if edges_s else np.unique(np.quantile(durations_s.drop_nulls(), _QUARTILES).round(2))
    names = _bin_names(edges)
    bins = np.searchsorted(edges, durations_s.fill_null(0.0).to_numpy(), side="right")
    values = pl.Series(DURATION_COLUMN, [names[index] for index in bins])
    return values.set(durations_s.is_null(), None), names


def _bin_names(edges_s: np.ndarray) -> list[str]:
    between = [f"{low:g} to below {high:g} s" for low, high in pairwise(edges_s)]
    return [f"below {edges_s[0]:g} s", *between, f"{edges_s[-1]:g} s or more"]
