"""Read separated text fast, and say which line is wrong when it is not what it should be."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from moe_mamba_asv.errors import ScoreError

#: Several times the largest corpus of the field; what has more rows is something else and would fill the memory.
MAX_ROWS = 5_000_000
MAX_LINE_CHARS = 1 << 16
_HEAD_BYTES = 4096

_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"x\x01", b"x\x9c", b"x\xda")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\v")


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
        ScoreError: a line has the wrong number of fields or is far too long, too many lines, or the file is not text.
    """
    try:
        rows = pl.read_csv(
            file,
            has_header=False,
            separator=separator,
            quote_char=None,
            skip_lines=first_row,
            n_rows=MAX_ROWS + 1,
            schema=dict.fromkeys(columns, pl.String),
        )
    except PolarsError:  # ragged lines or not text: the slow path finds the line and says so
        return _read_line_by_line(file, columns, separator, first_row, nullable)
    refuse_too_many(file, len(rows))
    too_long = any((rows[name].str.len_bytes() > MAX_LINE_CHARS).any() for name in columns)
    if too_long or any(rows[name].null_count() for name in columns if name not in nullable):
        return _read_line_by_line(file, columns, separator, first_row, nullable)
    return rows.with_columns(pl.int_range(first_row + 1, first_row + 1 + pl.len()).alias("line"))


def numbers(file: Path, rows: pl.DataFrame, column: str = "score") -> pl.Series:
    """A column of text as float64; null stays null.

    Args:
        file: for the error.
        rows: with the ``line`` of each.
        column: which one.

    Raises:
        ScoreError: something is not a number; names the line.
    """
    values = rows[column].cast(pl.Float64, strict=False)
    bad = rows.filter(values.is_null() & rows[column].is_not_null())
    if not bad.is_empty():
        raise ScoreError(f"{file} line {bad['line'][0]}: {column} {shorten(bad[column][0])!r}", wanted="a number")
    return values


def bounded_lines(file: Path) -> Iterator[str]:
    """The lines of a text file, decoded so that bytes that are not UTF-8 arrive as lone surrogates.

    Raises:
        ScoreError: a line of more than `MAX_LINE_CHARS` characters, or more than `MAX_ROWS` lines; never reads on.
    """
    with file.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
        number = 0
        while line := lines.readline(MAX_LINE_CHARS + 1):
            number += 1
            if len(line) > MAX_LINE_CHARS:
                got = f"{file} line {number}: more than {MAX_LINE_CHARS:,} characters"
                raise ScoreError(got, wanted="one short line per trial")
            refuse_too_many(file, number)
            yield line


def read_head(file: Path) -> bytes:
    """The first bytes of a file, by which its kind is known.

    Raises:
        ScoreError: the file may not be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(_HEAD_BYTES)
    except OSError as error:
        raise ScoreError(f"{file} cannot be opened: {error.strerror}", wanted="a file that may be read") from error


def refuse_binary(file: Path, head: bytes) -> None:
    """Stop before the reader of text unpacks a compressed file, which it does in silence and to any size.

    Raises:
        ScoreError: the file is compressed, UTF-16 or not text at all.
    """
    wanted = "UTF-8 text, one line per trial"
    if head.startswith(_COMPRESSED):
        raise ScoreError(f"{file} is compressed", wanted=wanted, remedy="unpack it")
    if head.startswith(_UTF_16):
        raise ScoreError(f"{file} is UTF-16 or binary", wanted=wanted, remedy="save it as UTF-8")
    if not _CONTROL.isdisjoint(head):
        raise ScoreError(f"{file} is not text: it begins {head[:16]!r}", wanted=wanted)


def refuse_too_many(file: Path, rows: int) -> None:
    """Stop where there are more rows than any corpus has utterances.

    Raises:
        ScoreError: more than `MAX_ROWS`.
    """
    if rows > MAX_ROWS:
        raise ScoreError(f"{file} has more than {MAX_ROWS:,} lines", wanted=f"a score file, at most {MAX_ROWS:,}")


def shorten(text: str) -> str:
    """The beginning of a line, for a message; what was not UTF-8 shows as escapes."""
    text = text[:1000].strip().encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else f"{text[:60]}…"


def _read_line_by_line(
    file: Path, columns: tuple[str, ...], separator: str, first_row: int, nullable: tuple[str, ...]
) -> pl.DataFrame:
    """Slower, but it bears runs of spaces and blank lines, and knows which line is malformed."""
    values: dict[str, list[str | None]] = {name: [] for name in columns}
    numbers_of_lines: list[int] = []
    for number, line in enumerate(bounded_lines(file), start=1):
        if number <= first_row or not line.strip():
            continue
        fields = line.rstrip("\r\n").split("\t") if separator == "\t" else line.split()
        fields += [""] * (len(columns) - len(fields))
        empty = [name for name, text in zip(columns, fields, strict=False) if not text and name not in nullable]
        if len(fields) > len(columns) or empty or not is_text(line):
            wanted = ("<tab>" if separator == "\t" else " ").join(columns).upper()
            raise ScoreError(f"{file} line {number}: {shorten(line)!r}", wanted=f"{len(columns)} fields: {wanted}")
        for name, text in zip(columns, fields, strict=True):
            values[name].append(text or None)
        numbers_of_lines.append(number)
    return pl.DataFrame(values, schema=dict.fromkeys(columns, pl.String)).with_columns(
        pl.Series("line", numbers_of_lines, dtype=pl.Int64)
    )


def is_text(line: str) -> bool:
    """Whether a line was UTF-8: bytes that were not arrive as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in line)
