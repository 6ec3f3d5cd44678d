"""Several systems on the same trials: what all of them scored, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.join import Trials, join
from moe_mamba_asv.scores import ScoreTable, name_some
from moe_mamba_asv.types import Corpus


@dataclass(frozen=True)
class Lineup:
    """Scores of several systems on the trials that all of them scored.

    Attributes:
        systems: their names, all different.
        scores: float64 [systems, trials], finite; higher = bona fide.
        trials: labels of these trials; its scores are those of the first system.
        failed: ``utterance``, ``error`` of the trials that a system could not score; the error names the system.
        warnings: what makes the figures suspect.
        notes: choices that a reader must know.
    """

    systems: tuple[str, ...]
    scores: np.ndarray
    trials: Trials
    failed: pl.DataFrame
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def stratum(self) -> np.ndarray:
        """0 for bona fide, ``1 + k`` for attack ``k``, the last for spoofed trials of no attack: int64 [trials]."""
        trials = self.trials
        stratum = trials.attack.astype(np.int64) + 1
        stratum[~trials.is_bonafide & (trials.attack < 0)] = len(trials.attack_names) + 1
        return stratum

    def with_system(self, name: str, scores: np.ndarray) -> "Lineup":
        """The same with one more system.

        Args:
            name: of the system.
            scores: float64 [trials], in the order of ``trials``.

        Raises:
            ConfigError: a system of this name is there already.
        """
        if name in self.systems:
            raise ConfigError(f"two systems called {name!r}", wanted="a name for each")
        return replace(self, systems=(*self.systems, name), scores=np.vstack([self.scores, scores]))


def line_up(
    tables: Mapping[str, ScoreTable], corpus: Corpus, *, allow_missing: bool = False, allow_extra: bool = False
) -> Lineup:
    """Join several systems' scores to the same labels, and keep the trials that all of them scored.

    Args:
        tables: score tables by the name of the system, in the order wanted.
        corpus: with a label for every utterance, cut down to the partition to be judged.
        allow_missing: leave out, with a warning, what one of the systems did not score.
        allow_extra: see `join`.

    Raises:
        ConfigError: fewer than two systems.
        ScoreError: a trial that one system scored and another did not, unless ``allow_missing``; else as `join`.
    """
    if len(tables) < 2:
        raise ConfigError(f"{len(tables)} system", wanted="two or more to compare")
    joined = {name: _join(name, table, corpus, allow_missing, allow_extra) for name, table in tables.items()}
    scored_by_all = _scored_by_all(joined)
    notes = list(dict.fromkeys(note for trials in joined.values() for note in trials.notes))
    warnings = [f"{name}: {warning}" for name, trials in joined.items() for warning in trials.warnings]
    if any(len(trials.frame) > len(scored_by_all) for trials in joined.values()):
        if not allow_missing:
            _refuse_mismatch(joined, scored_by_all)
        left_out = len(corpus.table) - len(scored_by_all)
        warnings.append(
            f"{left_out:,} of {len(corpus.table):,} trials are not scored by all systems and are in no figure"
        )
        keep = pl.col("utterance").is_in(list(scored_by_all))
        common = replace(corpus, table=corpus.table.filter(keep))
        kept = {name: replace(table, content=table.frame.filter(keep)) for name, table in tables.items()}
        joined = {name: _join(name, table, common, False, False) for name, table in kept.items()}
    return Lineup(
        systems=tuple(joined),
        scores=np.stack([trials.score for trials in joined.values()]),
        trials=next(iter(joined.values())),
        failed=_failed(tables, corpus),
        warnings=tuple(warnings),
        notes=tuple(notes),
    )


def _join(name: str, table: ScoreTable, corpus: Corpus, allow_missing: bool, allow_extra: bool) -> Trials:
    try:
        return join(table, corpus, allow_missing=allow_missing, allow_extra=allow_extra)
    except ScoreError as error:
        raise ScoreError(f"{name}: {error.got}", wanted=error.wanted, remedy=error.remedy) from error


def _scored_by_all(joined: Mapping[str, Trials]) -> set[str]:
    return set.intersection(*(set(trials.frame["utterance"]) for trials in joined.values()))


def _refuse_mismatch(joined: Mapping[str, Trials], scored_by_all: set[str]) -> None:
    """Every system answered for the whole partition, but not every answer is a score."""
    by_system = {name: set(trials.frame["utterance"]) for name, trials in joined.items()}
    odd = sorted(set.union(*by_system.values()) - scored_by_all)
    without = [name for name, scored in by_system.items() if not scored.issuperset(odd)]
    raise ScoreError(
        f"{len(odd):,} trials are scored by some systems and not by {' and '.join(without)}: {name_some(odd)}",
        wanted="the same trials from every system",
        remedy="score them again, or --allow-missing to compare on the trials that all have",
    )


def _failed(tables: Mapping[str, ScoreTable], corpus: Corpus) -> pl.DataFrame:
    """The first reason for each trial of the corpus that has one."""
    reasons = [
        table.failed.select("utterance", pl.format("{}: {}", pl.lit(name), "error").alias("error"))
        for name, table in tables.items()
    ]
    return (
        pl.concat(reasons)
        .unique("utterance", keep="first", maintain_order=True)
        .join(corpus.table.select("utterance"), on="utterance", how="semi", maintain_order="left")
    )


def name_systems(stems: Sequence[str], models: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Names for score files that tell them apart, the shortest kind that does.

    Args:
        stems: of the files' names.
        models: what the files' headers say; empty where they do not.
        paths: of the files, in full.
    """
    for names in (models, stems, paths):
        if all(names) and len(set(names)) == len(names):
            return list(names)
    return [f"{path} ({place})" for place, path in enumerate(paths, start=1)]
