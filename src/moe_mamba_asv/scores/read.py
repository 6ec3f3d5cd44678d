r"""Read a score file of any form of the field; the form is recognised by its first line.

The forms, with lines as they are (\t is a tab):

    # mma-scores 1                                 the project's own: a header, then utterance, score or error
    # direction: higher = bona fide
    utterance\tscore\terror
    LA_E_2834763\t-8.55801487\t
                                                   of a calibrated system \tllr\tprobability follow in each row

    LA_E_2834763 A11 spoof -8.558014869689941      ASVspoof 2019 and AASIST: UTTERANCE ATTACK KEY SCORE
    LA_E_9332881 -4.25                             ASVspoof 2021: UTTERANCE SCORE; also the ``scores.txt`` of the
                                                   Speech Anti-Spoofing Arena (package speech-spoof-bench)
    filename\tcm-score                             ASVspoof 5
    E_0000000001\t1.5
    utt_id,model,cm_score                          a table with named columns, in any order: CSV (also with tabs,
    LA_E_2834763,aasist,-8.558                     semicolons or spaces) or Parquet

``-`` is the standard input. What is far too large, compressed, binary or not UTF-8 is refused before it is read.
"""

import io
import sys
import tempfile
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TextIO

import polars as pl

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores.rows import MAX_LINE_CHARS, numbers, read_head, read_rows, refuse_binary, shorten
from moe_mamba_asv.scores.table import (
    ASVSPOOF5_COLUMN_LINE,
    CALIBRATED_COLUMN_LINE,
    CALIBRATED_COLUMNS,
    COLUMN_LINE,
    DIRECTION,
    MAGIC,
    ScoreTable,
    name_some,
)
from moe_mamba_asv.scores.tabular import (
    PARQUET_MAGIC,
    SEPARATORS,
    as_ids,
    choose_columns,
    is_header,
    read_delimited,
    read_parquet,
)

#: Ten times the largest score file of the field; what is larger is something else and would fill the memory.
MAX_FILE_BYTES = 1 << 28
_MAX_HEADER_LINES = 1000
_FORMS = (
    "UTTERANCE SCORE | UTTERANCE ATTACK KEY SCORE | filename<tab>cm-score | # mma-scores 1 | "
    "CSV or Parquet with columns such as utterance and score"
)
_STANDARD_INPUT = "the standard input"


class _Layout(NamedTuple):
    """Where the rows of a file begin and what is in them."""

    columns: tuple[str, ...]
    separator: str = " "
    first_row: int = 0  # that many lines belong to the header
    header: dict[str, str] = {}  # noqa: RUF012 - never written to
    nullable: tuple[str, ...] = ()
    id_column: str = "utterance"  # what the file calls it


def read_scores(path: str | PathLike[str]) -> ScoreTable:
    """Read a score file; see the module's docstring for the forms.

    Args:
        path: a file of at most `MAX_FILE_BYTES`; text is UTF-8 and its blank lines are ignored. ``-`` reads the
            standard input to its end.

    Returns:
        One row per line, in the file's order. Scores are finite; duplicates are `join`'s to find.

    Raises:
        ScoreError: absent, empty or malformed file (names the line); NaN or infinite scores (names the ids).
    """
    return _read_standard_input() if str(path) == "-" else _read_file(Path(path))


def refuse_unreadable(file: Path) -> None:
    """Stop before anything is read.

    Raises:
        ScoreError: no such file, one that may not be read, is empty, far too large, compressed or not text.
    """
    if not file.is_file():
        raise ScoreError(f"{file} is not a file", wanted="a score file")
    size = file.stat().st_size
    if size == 0:
        raise ScoreError(f"{file} is empty", wanted="one line per trial")
    if size > MAX_FILE_BYTES:
        raise ScoreError(f"{file} has {size:,} bytes", wanted=f"a score file, at most {MAX_FILE_BYTES:,} bytes")
    head = read_head(file)
    if not head.startswith(PARQUET_MAGIC):
        refuse_binary(file, head)


def _read_file(file: Path) -> ScoreTable:
    refuse_unreadable(file)
    rows, header = _read_rows(file)
    if rows.is_empty():
        raise ScoreError(f"{file} holds no scores", wanted="one line per utterance")
    table = _to_table(file, rows, header)
    _refuse_non_finite(file, table.frame)
    return table


def _read_standard_input() -> ScoreTable:
    """Keep what comes in a file, no more than a file may have, and read that."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "scores"
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ScoreError(f"{_STANDARD_INPUT} has over {MAX_FILE_BYTES:,} bytes", wanted="a score file")
        kept.write_bytes(data)
        try:
            return _read_file(kept)
        except ScoreError as error:
            got = error.got.replace(str(kept), _STANDARD_INPUT)
            raise ScoreError(got, wanted=error.wanted, remedy=error.remedy) from error


def _read_rows(file: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    """The rows as text with their lines, and the header."""
    if read_head(file).startswith(PARQUET_MAGIC):
        return read_parquet(file), {}
    layout = _recognise(file)
    if layout.separator in SEPARATORS and not layout.columns:
        return read_delimited(file, layout.separator), {}
    rows = read_rows(file, layout.columns, layout.separator, first_row=layout.first_row, nullable=layout.nullable)
    return rows.with_columns(as_ids(layout.id_column, rows["utterance"])), layout.header


def _recognise(file: Path) -> _Layout:
    """Look at the top of a file and say which form it has; no columns: they are named in the file."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        number, first = 0, "\n"
        while first and not first.strip():
            number, first = number + 1, lines.readline(MAX_LINE_CHARS)
        if first.startswith("# mma-scores"):
            return _own_layout(file, first.rstrip("\r\n"), lines, number)
    if not first:
        raise ScoreError(f"{file} holds no scores, only blank lines", wanted="one line per utterance")
    if first.rstrip("\r\n") == ASVSPOOF5_COLUMN_LINE:
        return _Layout(("utterance", "score"), "\t", number)
    for separator in SEPARATORS:
        if separator in first and is_header(first.split(separator)):
            return _Layout((), separator)
    fields = first.split()
    if is_header(fields):
        return _named_layout(file, fields, number)
    match len(fields):
        case 2:
            return _Layout(("utterance", "score"))
        case 4:
            return _Layout(("utterance", "attack", "label", "score"))
        case _:
            raise ScoreError(f"{file} line {number}: {shorten(first)!r}", wanted=f"a score file: {_FORMS}")


def _named_layout(file: Path, fields: list[str], number: int) -> _Layout:
    """A header of words: our names for the two columns that are wanted."""
    utterance, score = choose_columns(file, fields)
    ours = {utterance: "utterance", score: "score"}
    columns = tuple(ours.get(index, f"column {index + 1}") for index in range(len(fields)))
    return _Layout(columns, first_row=number, id_column=fields[utterance])


def _own_layout(file: Path, first: str, lines: TextIO, number: int) -> _Layout:
    """Read the header of the project's own form, up to and with the column line."""
    if first != MAGIC:
        raise ScoreError(f"{file} line {number}: {shorten(first)!r}", wanted=MAGIC, remedy="a newer version of mma")
    header: dict[str, str] = {}
    line = lines.readline(MAX_LINE_CHARS).rstrip("\r\n")
    number += 1
    while line not in (COLUMN_LINE, CALIBRATED_COLUMN_LINE):
        key, colon, value = line.removeprefix("# ").partition(": ")
        if not line.startswith("# ") or not colon or len(header) == _MAX_HEADER_LINES:
            wanted = f"'# key: value' or the column line {COLUMN_LINE!r}"
            raise ScoreError(f"{file} line {number}: {shorten(line)!r} in the header", wanted=wanted)
        header[key] = value
        line = lines.readline(MAX_LINE_CHARS).rstrip("\r\n")
        number += 1
    if header.get("direction", DIRECTION) != DIRECTION:
        raise ScoreError(f"{file}: scores with direction {header['direction']!r}", wanted=f"'{DIRECTION}'")
    _refuse_truncated(file)
    columns = tuple(line.split("\t"))
    return _Layout(columns, "\t", number, header, nullable=columns[1:])


def _to_table(file: Path, rows: pl.DataFrame, header: dict[str, str]) -> ScoreTable:
    score = numbers(file, rows)
    error = rows["error"] if "error" in rows.columns else pl.Series([None] * len(rows), dtype=pl.String)
    unclear = rows.filter(score.is_null() == error.is_null())
    if not unclear.is_empty():
        line, utterance = unclear["line"][0], unclear["utterance"][0]
        raise ScoreError(f"{file} line {line}: {utterance}", wanted="either a score or an error")
    frame = pl.DataFrame({"utterance": rows["utterance"], "score": score, "error": error, **_calibrated(file, rows)})
    return ScoreTable(frame, header, _trials(file, rows) if "label" in rows.columns else None)


def _calibrated(file: Path, rows: pl.DataFrame) -> dict[str, pl.Series]:
    """What a calibration said of the scores, where the file has it."""
    found = {name: numbers(file, rows, name) for name in CALIBRATED_COLUMNS if name in rows.columns}
    for name, values in found.items():
        wrong = rows.filter((values.is_null() != rows["score"].is_null()) | ~values.is_finite().fill_null(True))
        if not wrong.is_empty():
            got = f"{file} line {wrong['line'][0]}: {name} {wrong[name][0] or 'absent'} of {wrong['utterance'][0]}"
            raise ScoreError(got, wanted="a finite number for every score, and none without")
    return found


def _trials(file: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """What a 2019 file says of its trials itself."""
    wrong = rows.filter(~pl.col("label").is_in(["bonafide", "spoof"]))
    if not wrong.is_empty():
        line, label = wrong["line"][0], wrong["label"][0]
        raise ScoreError(f"{file} line {line}: key {shorten(label)!r}", wanted="bonafide or spoof")
    attack = pl.when(pl.col("attack") != "-").then(pl.col("attack")).alias("attack")
    return rows.select("utterance", attack, "label")


def _refuse_non_finite(file: Path, frame: pl.DataFrame) -> None:
    bad = frame.filter(~pl.col("score").is_finite())
    if not bad.is_empty():
        what = "NaN" if bad["score"].is_nan().any() else "infinite"
        raise ScoreError(f"{file}: {what} scores for {name_some(bad['utterance'])}", wanted="finite scores")


def _refuse_truncated(file: Path) -> None:
    """Our writer ends every line; a number that was cut would still look like a number."""
    with file.open("rb") as stream:
        stream.seek(-1, io.SEEK_END)
        if stream.read(1) != b"\n":
            raise ScoreError(f"{file} ends in the middle of a line", wanted="a whole file", remedy="score it again")
