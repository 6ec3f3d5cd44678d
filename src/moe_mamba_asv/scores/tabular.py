"""Tables of scores whose columns have names: CSV and the like, and Parquet."""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores.rows import MAX_ROWS, bounded_lines, is_text, refuse_too_many, shorten

PARQUET_MAGIC = b"PAR1"
SEPARATORS = (",", "\t", ";")

#: What a column of ids may be called; ``path`` is an id only where there is no better one.
_ID_NAMES = ("utterance", "utt_id", "filename", "file")
_SCORE_NAMES = ("score", "cm-score", "cm_score")
_WANTED = f"one column of {' | '.join((*_ID_NAMES, 'path'))} and one of {' | '.join(_SCORE_NAMES)}"

_PARQUET_LIMIT_S = 300
_READ_IN_CHILD = (
    "import sys; from moe_mamba_asv.scores.tabular import copy_columns; sys.exit(copy_columns(*sys.argv[1:]))"
)
_REFUSED = 3  # the child's exit code where its answer is a reason


def is_header(fields: Sequence[str]) -> bool:
    """Whether the fields of a first line are names of columns and not a trial."""
    names = {_plain(field) for field in fields}
    return not names.isdisjoint((*_ID_NAMES, "path", *_SCORE_NAMES)) and not any(map(_is_number, fields))


def choose_columns(file: Path, names: Sequence[str]) -> tuple[int, int]:
    """Which column holds the ids and which the scores; by name, never by place.

    Raises:
        ScoreError: no such column, or more than one; lists the columns.
    """
    plain = [_plain(name) for name in names]
    ids = [index for index, name in enumerate(plain) if name in _ID_NAMES]
    ids = ids or [index for index, name in enumerate(plain) if name == "path"]
    scores = [index for index, name in enumerate(plain) if name in _SCORE_NAMES]
    if len(ids) != 1 or len(scores) != 1:
        what = "more than one column of ids or of scores" if ids and scores else "no column of ids or none of scores"
        columns = shorten(", ".join(names[:50]))
        raise ScoreError(f"{file} has {what}; its columns: {columns}", wanted=_WANTED, remedy="rename or drop columns")
    return ids[0], scores[0]


def as_ids(column: str, values: pl.Series) -> pl.Series:
    """Ids out of a column: file names lose the ending of an audio file, and a ``path`` its folders too."""
    if _plain(column) in ("utterance", "utt_id"):
        return values
    if _plain(column) == "path":
        values = values.str.replace(r"^.*[/\\]", "")
    return values.str.replace(r"(?i)\.(flac|wav|mp3|m4a|aac|ogg|opus|webm)$", "")


def read_delimited(file: Path, separator: str) -> pl.DataFrame:
    """Read CSV and the like, with a header and with quotes where a field needs them.

    Returns:
        Columns ``utterance`` and ``score`` (text, null where empty) and the 1-based ``line`` of each.

    Raises:
        ScoreError: columns that are not there or ambiguous; a malformed line, which is named.
    """
    reader = csv.reader(bounded_lines(file), delimiter=separator, strict=True)
    try:
        names = next(fields for fields in reader if any(map(str.strip, fields)))
        utterance, score = choose_columns(file, names)
        rows: list[tuple[str, str | None, int]] = []
        for fields in reader:
            if not any(map(str.strip, fields)):
                continue
            if len(fields) != len(names) or not fields[utterance].strip() or not is_text("".join(fields)):
                got = f"{file} line {reader.line_num}: {shorten(separator.join(fields))!r}"
                raise ScoreError(got, wanted=f"{len(names)} fields as in the header, and an id")
            rows.append((fields[utterance].strip(), fields[score].strip() or None, reader.line_num))
    except csv.Error as error:
        raise ScoreError(f"{file} line {reader.line_num}: {error}", wanted="fields quoted as in CSV") from error
    table = pl.DataFrame(rows, schema={"utterance": pl.String, "score": pl.String, "line": pl.Int64}, orient="row")
    return table.with_columns(as_ids(names[utterance], table["utterance"]))


def read_parquet(file: Path) -> pl.DataFrame:
    """Read a Parquet table of scores, in a process of its own.

    A damaged Parquet file can end the process that reads it (a length that is not one is asked of the memory), so
    another process copies the two columns that are wanted; if it dies, that is an answer.

    Returns:
        Columns ``utterance`` and ``score`` (text, null where empty) and the 1-based ``line`` of each row.

    Raises:
        ScoreError: a damaged file; columns that are not there, ambiguous or of another type; too many rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "columns.arrow"
        command = [sys.executable, "-c", _READ_IN_CHILD, str(file), str(copy)]
        try:
            child = subprocess.run(command, capture_output=True, timeout=_PARQUET_LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ScoreError(f"{file} took over {_PARQUET_LIMIT_S} s to read", wanted="a Parquet score file") from error
        if child.returncode == _REFUSED:
            raise ScoreError(**json.loads(child.stdout))
        if child.returncode != 0:
            raise ScoreError(
                f"{file} begins as Parquet but cannot be read", wanted="a whole file", remedy="export it again"
            )
        return pl.read_ipc(copy.read_bytes())  # not the file itself: it would stay open when its folder goes


def copy_columns(source: str, copy: str) -> int:
    """What the other process does: the two columns as text, or the reason why not as JSON on stdout."""
    try:
        _two_columns(Path(source)).write_ipc(copy)
    except ScoreError as error:
        sys.stdout.write(json.dumps({"got": error.got, "wanted": error.wanted, "remedy": error.remedy}))
        return _REFUSED
    return 0


def _two_columns(file: Path) -> pl.DataFrame:
    try:
        schema = pl.read_parquet_schema(file)
        names = list(schema)
        utterance, score = (names[index] for index in choose_columns(file, names))
        if not (schema[utterance] == pl.String or schema[utterance].is_integer()) or not schema[score].is_numeric():
            types = f"{utterance} {schema[utterance]}, {score} {schema[score]}"
            raise ScoreError(f"{file} has columns of the types {types}", wanted="ids as text, scores as numbers")
        refuse_too_many(file, pl.scan_parquet(file).select(pl.len()).collect().item())
        table = pl.read_parquet(file, columns=[utterance, score], n_rows=MAX_ROWS)
    except PolarsError as error:
        raise ScoreError(f"{file} is damaged: {shorten(str(error))}", wanted="a whole Parquet file") from error
    ids = as_ids(utterance, table[utterance].cast(pl.String))
    if ids.null_count():
        raise ScoreError(f"{file} row {ids.is_null().arg_true()[0] + 1}: no id", wanted="an id in every row")
    columns = {"utterance": ids, "score": table[score].cast(pl.Float64).cast(pl.String)}
    return pl.DataFrame(columns).with_columns(pl.int_range(1, pl.len() + 1).alias("line"))


def _plain(name: str) -> str:
    return name.strip().strip('"').lower()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
