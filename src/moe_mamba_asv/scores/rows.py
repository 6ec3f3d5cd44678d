"""Read separated text fast, and say which line is wrong when it is not what it should be."""

from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from moe_mamba_asv.errors import ScoreError


def read_rows(
    file: Path,
    columns: tuple[str, ...],
    separator: str = " ",
    *,
    first_row: int = 0,
    nullable: tuple[str, ...] = (),
) -> pl.DataFrame:
    """Read separated text as strings, with the 1-based ``line`` of each row.

    Args:
        file: UTF-8 text; blank lines are ignored.
        columns: their names, in the file's order.
        separator: a tab is strict; a space stands for any run of white space.
        first_row: lines to skip at the top.
        nullable: columns that may be empty.

    Raises:
        ScoreError: a line has the wrong number of fields, or the file is not text.
    """
    try:
        rows = pl.read_csv(
            file,
            has_header=False,
            separator=separator,
            quote_char=None,
            skip_lines=first_row,
            schema=dict.fromkeys(columns, pl.String),
        )
    except PolarsError:  # ragged lines or not text: the slow path finds the line and says so
        return _read_line_by_line(file, columns, separator, first_row, nullable)
    if any(rows[name].null_count() for name in columns if name not in nullable):
        return _read_line_by_line(file, columns, separator, first_row, nullable)
    return rows.with_columns(pl.int_range(first_row + 1, first_row + 1 + pl.len()).alias("line"))


def numbers(file: Path, rows: pl.DataFrame) -> pl.Series:
    """The ``score`` column as float64; null stays null.

    Raises:
        ScoreError: a score is not a number; names the line.
    """
    score = rows["score"].cast(pl.Float64, strict=False)
    bad = rows.filter(score.is_null() & rows["score"].is_not_null())
    if not bad.is_empty():
        raise ScoreError(f"{file} line {bad['line'][0]}: score {shorten(bad['score'][0])!r}", wanted="a number")
    return score


def shorten(text: str) -> str:
    """The beginning of a line, for a message."""
    text = text.strip()
    return text if len(text) <= 60 else f"{text[:60]}…"


def _read_line_by_line(
    file: Path, columns: tuple[str, ...], separator: str, first_row: int, nullable: tuple[str, ...]
) -> pl.DataFrame:
    """Slower, but it bears runs of spaces and blank lines, and knows which line is malformed."""
    values: dict[str, list[str | None]] = {name: [] for name in columns}
    numbers_of_lines: list[int] = []
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            if number <= first_row or not line.strip():
                continue
            fields = line.rstrip("\r\n").split("\t") if separator == "\t" else line.split()
            fields += [""] * (len(columns) - len(fields))
            empty = [name for name, text in zip(columns, fields, strict=False) if not text and name not in nullable]
            if len(fields) > len(columns) or empty or not _is_text(line):
                wanted = ("<tab>" if separator == "\t" else " ").join(columns).upper()
                raise ScoreError(f"{file} line {number}: {shorten(line)!r}", wanted=f"{len(columns)} fields: {wanted}")
            for name, text in zip(columns, fields, strict=True):
                values[name].append(text or None)
            numbers_of_lines.append(number)
    return pl.DataFrame(values, schema=dict.fromkeys(columns, pl.String)).with_columns(
        pl.Series("line", numbers_of_lines, dtype=pl.Int64)
    )


def _is_text(line: str) -> bool:
    """Whether a line was UTF-8: bytes that were not arrive as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in line)
