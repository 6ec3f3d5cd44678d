r"""Read a score file of any form of the field; the form is recognised by its first line.

The forms, with lines as they are (\t is a tab):

    # mma-scores 1                                 the project's own: a header, then utterance, score or error
    # direction: higher = bona fide
    utterance\tscore\terror
    LA_E_2834763\t-8.55801487\t

    LA_E_2834763 A11 spoof -8.558014869689941      ASVspoof 2019 and AASIST: UTTERANCE ATTACK KEY SCORE
    LA_E_9332881 -4.25                             ASVspoof 2021: UTTERANCE SCORE
    filename\tcm-score                             ASVspoof 5
    E_0000000001\t1.5
"""

import io
from os import PathLike
from pathlib import Path
from typing import NamedTuple, TextIO

import polars as pl

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores.rows import numbers, read_rows, shorten
from moe_mamba_asv.scores.table import ASVSPOOF5_COLUMN_LINE, COLUMN_LINE, DIRECTION, MAGIC, ScoreTable, name_some

#: No score file of the field comes near; what is larger is something else and would fill the memory.
MAX_FILE_BYTES = 1 << 30
_MAX_LINE_CHARS = 1 << 16
_MAX_HEADER_LINES = 1000
_FORMS = "UTTERANCE SCORE | UTTERANCE ATTACK KEY SCORE | filename<tab>cm-score | # mma-scores 1"


class _Layout(NamedTuple):
    """Where the rows of a file begin and what is in them."""

    columns: tuple[str, ...]
    separator: str = " "
    first_row: int = 0  # that many lines belong to the header
    header: dict[str, str] = {}  # noqa: RUF012 - never written to
    nullable: tuple[str, ...] = ()


def read_scores(path: str | PathLike[str]) -> ScoreTable:
    """Read a score file; see the module's docstring for the forms.

    Args:
        path: text, UTF-8, at most `MAX_FILE_BYTES`; blank lines are ignored.

    Returns:
        One row per line, in the file's order. Scores are finite; duplicates are `join`'s to find.

    Raises:
        ScoreError: absent, empty or malformed file (names the line); NaN or infinite scores (names the ids).
    """
    file = Path(path)
    layout = _recognise(file)
    rows = read_rows(file, layout.columns, layout.separator, first_row=layout.first_row, nullable=layout.nullable)
    if rows.is_empty():
        raise ScoreError(f"{file} holds no scores", wanted="one line per utterance")
    table = _to_table(file, rows, layout.header)
    _refuse_non_finite(file, table.frame)
    return table


def refuse_unreadable(file: Path) -> None:
    """Stop before anything is read.

    Raises:
        ScoreError: no such file, an empty one, or one that is far too large.
    """
    if not file.is_file():
        raise ScoreError(f"{file} is not a file", wanted="a score file")
    size = file.stat().st_size
    if size == 0:
        raise ScoreError(f"{file} is empty", wanted="one line per trial")
    if size > MAX_FILE_BYTES:
        raise ScoreError(f"{file} has {size:,} bytes", wanted=f"a score file, at most {MAX_FILE_BYTES:,} bytes")


def _recognise(file: Path) -> _Layout:
    """Look at the top of a file and say which form it has."""
    refuse_unreadable(file)
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        number, first = 0, "\n"
        while first and not first.strip():
            number, first = number + 1, lines.readline(_MAX_LINE_CHARS)
        if first.startswith("# mma-scores"):
            return _own_layout(file, first.rstrip("\r\n"), lines, number)
    if not first:
        raise ScoreError(f"{file} holds no scores, only blank lines", wanted="one line per utterance")
    if first.rstrip("\r\n") == ASVSPOOF5_COLUMN_LINE:
        return _Layout(("utterance", "score"), "\t", number)
    match len(first.split()):
        case 2:
            return _Layout(("utterance", "score"))
        case 4:
            return _Layout(("utterance", "attack", "label", "score"))
        case _:
            raise ScoreError(f"{file} line {number}: {shorten(first)!r}", wanted=f"a score file: {_FORMS}")


def _own_layout(file: Path, first: str, lines: TextIO, number: int) -> _Layout:
    """Read the header of the project's own form, up to and with the column line."""
    if first != MAGIC:
        raise ScoreError(f"{file} line {number}: {shorten(first)!r}", wanted=MAGIC, remedy="a newer version of mma")
    header: dict[str, str] = {}
    line = lines.readline(_MAX_LINE_CHARS).rstrip("\r\n")
    number += 1
    while line != COLUMN_LINE:
        key, colon, value = line.removeprefix("# ").partition(": ")
        if not line.startswith("# ") or not colon or len(header) == _MAX_HEADER_LINES:
            wanted = f"'# key: value' or the column line {COLUMN_LINE!r}"
            raise ScoreError(f"{file} line {number}: {shorten(line)!r} in the header", wanted=wanted)
        header[key] = value
        line = lines.readline(_MAX_LINE_CHARS).rstrip("\r\n")
        number += 1
    if header.get("direction", DIRECTION) != DIRECTION:
        raise ScoreError(f"{file}: scores with direction {header['direction']!r}", wanted=f"'{DIRECTION}'")
    _refuse_truncated(file)
    return _Layout(("utterance", "score", "error"), "\t", number, header, nullable=("score", "error"))


def _to_table(file: Path, rows: pl.DataFrame, header: dict[str, str]) -> ScoreTable:
    score = numbers(file, rows)
    error = rows["error"] if "error" in rows.columns else pl.Series([None] * len(rows), dtype=pl.String)
    unclear = rows.filter(score.is_null() == error.is_null())
    if not unclear.is_empty():
        line, utterance = unclear["line"][0], unclear["utterance"][0]
        raise ScoreError(f"{file} line {line}: {utterance}", wanted="either a score or an error")
    frame = pl.DataFrame({"utterance": rows["utterance"], "score": score, "error": error})
    return ScoreTable(frame, header, _trials(file, rows) if "label" in rows.columns else None)


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
