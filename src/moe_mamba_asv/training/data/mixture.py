"""The training corpora as one table of clips."""

import copy
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.types import Corpus, Label

#: Of a spoofed clip whose attack the corpus does not tell.
UNKNOWN_ATTACK = -1


class Mixture:
    """One or more corpora, one after the other; the row of a clip is its place in this table.

    Args:
        corpora: of one partition, all with audio and labels.
        weights: how often each corpus is heard, in any unit; None hears every clip equally often. Without a meaning
            for a single corpus.

    Attributes:
        table: ``utterance`` (unique), ``path``, ``label``, ``attack`` (null for bona fide and where it is not told),
            ``duration_s`` (null where the corpus does not tell), ``domain`` (number of the corpus) and
            ``attack_index`` (0 bona fide, k the k-th of ``attack_names``, -1 a spoof whose attack is not told).
        domain_names: the kinds of the corpora; the second of a kind is ``kind#2``.
        attack_names: sorted. Where corpora use the same id, all ids get their corpus as a prefix, as the A01 of
            one is not the A01 of another; utterance ids likewise.
        weights: exact; None if every clip is heard equally often.

    Raises:
        TrainingError: no corpus or an empty one, a clip without path or label, or weights that are not positive
            numbers, one for each corpus.
    """

    def __init__(self, corpora: Sequence[Corpus], weights: Sequence[float] | None = None) -> None:
        _refuse_unusable(corpora)
        self.domain_names = _domain_names(corpora)
        table = pl.concat([_clips(corpus.table, domain) for domain, corpus in enumerate(corpora)])
        for column in ("utterance", "attack"):
            owners = table.drop_nulls(column).group_by(column).agg(pl.col("domain").n_unique())
            if (owners["domain"] > 1).any():
                domain_name = pl.col("domain").replace_strict(
                    dict(enumerate(self.domain_names)), return_dtype=pl.String
                )
                table = table.with_columns(pl.format("{}/{}", domain_name, column).alias(column))
        self.attack_names = tuple(sorted(table["attack"].drop_nulls().unique()))
        self.table = table.with_columns(attack_index=_attack_index(self.attack_names))
        exact = None if weights is None else _exact(weights, len(corpora))
        self.weights = exact if len(corpora) > 1 else None

    def __len__(self) -> int:
        return len(self.table)

    def with_durations(self, duration_s: NDArray[np.float64]) -> "Mixture":
        """The same with the duration of every clip, as a decoded store knows it; seconds, (clips,)."""
        timed = copy.copy(self)
        timed.table = self.table.with_columns(pl.Series("duration_s", duration_s, dtype=pl.Float64))
        return timed


def _refuse_unusable(corpora: Sequence[Corpus]) -> None:
    if not corpora:
        raise TrainingError("no corpus to learn from", wanted="at least one")
    for corpus in corpora:
        if corpus.table.is_empty():
            raise TrainingError(f"{corpus.kind} without utterances", wanted="at least one")
        for column in ("path", "label"):
            if corpus.table[column].null_count():
                raise TrainingError(f"{corpus.kind}: utterances without {column}", wanted="audio and labels for all")


def _domain_names(corpora: Sequence[Corpus]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    names = []
    for corpus in corpora:
        seen[corpus.kind] += 1
        names.append(corpus.kind if seen[corpus.kind] == 1 else f"{corpus.kind}#{seen[corpus.kind]}")
    return tuple(names)


def _clips(table: pl.DataFrame, domain: int) -> pl.DataFrame:
    told = pl.col("duration_s").cast(pl.Float64, strict=False) if "duration_s" in table.columns else pl.lit(None)
    spoofed = pl.col("label") == Label.SPOOF.value
    return table.select(
        "utterance",
        "path",
        "label",
        attack=pl.when(spoofed).then(pl.col("attack")),
        duration_s=told.cast(pl.Float64),
        domain=pl.lit(domain, pl.Int64),
    )


def _attack_index(attack_names: Sequence[str]) -> pl.Expr:
    number_by_name = {name: number for number, name in enumerate(attack_names, start=1)}
    told = pl.col("attack").replace_strict(number_by_name, default=UNKNOWN_ATTACK, return_dtype=pl.Int64)
    return pl.when(pl.col("label") == Label.BONAFIDE.value).then(0).otherwise(told)


def _exact(weights: Sequence[float], num_corpora: int) -> tuple[Fraction, ...]:
    if len(weights) != num_corpora or not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise TrainingError(
            f"weights {list(weights)} for {num_corpora} corpora", wanted="one positive number for each corpus"
        )
    # By their decimals, so that 0.7 is seven tenths and a share of 10 draws is 7, not 6.
    return tuple(Fraction(str(float(weight))) for weight in weights)
