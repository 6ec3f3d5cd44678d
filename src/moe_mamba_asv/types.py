"""The few words that every room shares: label, partition, utterance table, corpus."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import polars as pl


class Label(StrEnum):
    """The two classes of a countermeasure."""

    BONAFIDE = "bonafide"
    SPOOF = "spoof"


class Partition(StrEnum):
    """The part of a corpus that an utterance belongs to."""

    TRAIN = "train"
    DEV = "dev"
    EVAL = "eval"


@dataclass(frozen=True)
class Attack:
    """One spoofing algorithm of a corpus.

    Attributes:
        id: as the protocol names it, e.g. ``A17``.
        kind: ``TTS``, ``VC``, ``TTS-VC``, ``copy-synthesis`` …
        system: acoustic model or conversion method, in words.
        waveform: how the waveform is made, in words.
        known: whether the algorithm is also among the training attacks.
    """

    id: str
    kind: str
    system: str
    waveform: str
    known: bool


#: Columns of every utterance table, in this order. Further string columns (``codec``, ``sex``, …) are the
#: corpus's *conditions*. ``path`` is null when only a protocol was read; ``label`` and ``attack`` are null
#: where the corpus does not tell; ``attack`` is null for bona fide speech.
UTTERANCE_SCHEMA: Mapping[str, pl.DataType] = {
    "utterance": pl.String(),
    "path": pl.String(),
    "label": pl.String(),
    "attack": pl.String(),
    "speaker": pl.String(),
    "partition": pl.String(),
}


@dataclass(frozen=True)
class Corpus:
    """What a corpus reader answers: a table of utterances and what is known of its attacks.

    Attributes:
        kind: the reader's name, e.g. ``asvspoof2019-la``.
        table: `UTTERANCE_SCHEMA` columns, then condition columns; ``utterance`` is unique.
        attacks: catalogue by attack id; empty where none is published.
        sources: the protocol files that were read.
        notes: choices a reader of a number must know, e.g. "2021: subset eval only".
    """

    kind: str
    table: pl.DataFrame
    attacks: Mapping[str, Attack] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def conditions(self) -> list[str]:
        """Names of the condition columns."""
        return [name for name in self.table.columns if name not in UTTERANCE_SCHEMA]

    def only(self, partition: Partition) -> "Corpus":
        """The same corpus, cut down to one partition."""
        table = self.table.filter(pl.col("partition") == partition.value)
        return Corpus(self.kind, table, self.attacks, self.sources, self.notes)
