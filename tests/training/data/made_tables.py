"""Corpora as tables alone, of any make-up: paths that nobody reads."""

from collections.abc import Sequence

import polars as pl

from moe_mamba_asv.types import UTTERANCE_SCHEMA, Corpus, Label


def corpus(
    bonafide: int, attacks: dict[str | None, int], kind: str = "manifest", durations_s: Sequence[float] | None = None
) -> Corpus:
    """`bonafide` clips and so many of each attack."""
    made = [(Label.BONAFIDE.value, None)] * bonafide
    made += [(Label.SPOOF.value, attack) for attack, count in attacks.items() for _ in range(count)]
    rows = [(f"u{n}", f"/{kind}/u{n}.flac", label, attack, None, "train") for n, (label, attack) in enumerate(made)]
    table = pl.DataFrame(rows, UTTERANCE_SCHEMA, orient="row")
    if durations_s is not None:
        table = table.with_columns(duration_s=pl.Series(durations_s).cast(pl.String))
    return Corpus(kind, table)
