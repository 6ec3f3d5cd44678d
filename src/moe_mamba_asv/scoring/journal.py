"""What is known of a scoring run while it goes on: rows as they come, and whether they may be continued."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scores.table import SCORE_SCHEMA, ScoreTable
from moe_mamba_asv.scoring.inputs import Input

#: What libsndfile calls a sound that has no path; the number is another in each process.
_IN_MEMORY = re.compile(r"<_io\.BytesIO object at 0x[0-9a-fA-F]+>")


@dataclass(frozen=True)
class Row:
    """One answer: a score, or the reason why there is none."""

    utterance: str
    score: float | None
    error: str | None


def reason_of(error: AudioError) -> str:
    """Why there is no score, in one line, and the same line each time."""
    return " ".join(_IN_MEMORY.sub("it", str(error)).split())


def fingerprint(inputs: Sequence[Input], header: Mapping[str, str], batch_size: int) -> str:
    """What must be equal for a journal to be continued: model, batch size, and the inputs in their order."""
    digest = hashlib.sha256(repr((dict(header), batch_size)).encode())
    for item in inputs:
        digest.update(f"{item.utterance}\t{item.path}\n".encode())
    return digest.hexdigest()


def table_of(rows: Sequence[Row], header: Mapping[str, str]) -> ScoreTable:
    """The score table of all rows, under the header of the model that made them."""
    columns = {name: [getattr(row, name) for row in rows] for name in SCORE_SCHEMA}
    return ScoreTable(columns, dict(header))


class Journal:
    """JSON lines: the fingerprint, then a row each. A line that was cut off by a kill is ignored."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.rows: list[Row] = []
        if path is not None and path.is_file():
            first, *rest = path.read_text().split("\n")[:-1] or [""]
            if first == json.dumps(fingerprint):
                self.rows = [Row(**json.loads(line)) for line in rest]

    def start(self, rows: Sequence[Row]) -> None:
        """Begin anew with the rows that are kept."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.fingerprint) + "\n")
            self.append(rows)

    def append(self, rows: Sequence[Row]) -> None:
        """Add a finished batch."""
        if self.path is not None:
            with self.path.open("a") as file:
                file.writelines(json.dumps(vars(row)) + "\n" for row in rows)
