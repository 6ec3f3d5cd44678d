"""The score table in memory, and how a whole file is written."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

#: Columns of every `ScoreTable`.
SCORE_SCHEMA = {"utterance": str, "score": float, "error": str}
_TYPES = SCORE_SCHEMA | dict.fromkeys(CALIBRATED_COLUMNS, float)


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one system.

    Scoring makes lists, calibrates and writes them; what judges scores reads and makes frames. polars is imported where
    lists are asked for as a frame, and nowhere else.

    Attributes:
        content: a frame of polars, or lists by column: ``utterance``, ``score`` (None where the file could not be
            scored), ``error`` (None where it could); one row per input. Of a calibrated system also ``llr`` and
            ``probability``, None where the score is.
        header: facts about the system: ``model``, ``model_sha256``, ``crop``, ``direction`` …; of a calibrated one
            also ``calibration``, ``calibrated_on`` and ``prior``.
        trials: labels that the file itself carries (2019 form), columns ``utterance``, ``attack``, ``label``.
    """

    content: "pl.DataFrame | Mapping[str, Sequence[Any]]"
    header: dict[str, str] = field(default_factory=dict)
    trials: "pl.DataFrame | None" = None

    @cached_property
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """The content as lists by column."""
        return self.content if isinstance(self.content, Mapping) else self.content.to_dict(as_series=False)

    @cached_property
    def frame(self) -> "pl.DataFrame":
        """The content as a frame; an empty or failed column has its type too."""
        if not isinstance(self.content, Mapping):
            return self.content
        import polars as pl

        return pl.DataFrame(dict(self.content), schema={name: _TYPES[name] for name in self.content})

    def rows(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """The values of some columns, row by row."""
        return zip(*(self.columns[name] for name in names), strict=True)

    @property
    def is_calibrated(self) -> bool:
        """Whether there are log-likelihood ratios beside the scores."""
        names = self.content if isinstance(self.content, Mapping) else self.content.columns
        return set(CALIBRATED_COLUMNS) <= set(names)

    @property
    def scored(self) -> "pl.DataFrame":
        """Rows that have a score."""
        return self.frame.filter(self.frame["error"].is_null())

    @property
    def failed(self) -> "pl.DataFrame":
        """Rows that have a reason in place of a score."""
        return self.frame.filter(self.frame["error"].is_not_null())


def name_some(ids: "Sequence[str] | pl.Series", limit: int = 5) -> str:
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
