"""The score table in memory, and how a whole file is written."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

DIRECTION = "higher = bona fide"

#: First line of the project's own form, and the column line that ends its header.
MAGIC = "# mma-scores 1"
COLUMN_LINE = "utterance\tscore\terror"
#: What a calibration adds to every score: the log-likelihood ratio, and the probability of bona fide at a prior.
CALIBRATED_COLUMNS = ("llr", "probability")
CALIBRATED_COLUMN_LINE = "\t".join((COLUMN_LINE, *CALIBRATED_COLUMNS))
#: Column line of the ASVspoof 5 form.
ASVSPOOF5_COLUMN_LINE = "filename\tcm-score"

#: Columns of `ScoreTable.frame`.
SCORE_SCHEMA = {"utterance": pl.String, "score": pl.Float64, "error": pl.String}


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one system.

    Attributes:
        frame: columns ``utterance``, ``score`` (null where the file could not be scored), ``error`` (null
            where it could); one row per input. Of a calibrated system also ``llr`` and ``probability``, null where
            the score is.
        header: facts about the system: ``model``, ``model_sha256``, ``crop``, ``direction`` …; of a calibrated one
            also ``calibration``, ``calibrated_on`` and ``prior``.
        trials: labels that the file itself carries (2019 form), columns ``utterance``, ``attack``, ``label``.
    """

    frame: pl.DataFrame
    header: dict[str, str] = field(default_factory=dict)
    trials: pl.DataFrame | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether there are log-likelihood ratios beside the scores."""
        return set(CALIBRATED_COLUMNS) <= set(self.frame.columns)

    @property
    def scored(self) -> pl.DataFrame:
        """Rows that have a score."""
        return self.frame.filter(pl.col("error").is_null())

    @property
    def failed(self) -> pl.DataFrame:
        """Rows that have a reason in place of a score."""
        return self.frame.filter(pl.col("error").is_not_null())


def name_some(ids: Sequence[str] | pl.Series, limit: int = 5) -> str:
    """The first few ids and how many more there are, for a message."""
    some = ", ".join(str(one) for one in ids[:limit])
    return some if len(ids) <= limit else f"{some} and {len(ids) - limit:,} more"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: a reader never sees half of it."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
