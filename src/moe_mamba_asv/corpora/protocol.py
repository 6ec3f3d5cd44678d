"""Reading protocol files: columns of words, one trial a line, hundreds of thousands of lines."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import polars as pl

from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Label, Partition

#: How a protocol writes "does not apply".
ABSENT = "-"
#: Column with the number of a row's line in its file, for errors; `utterance_table` leaves it out.
LINE = "_line"


def read_words(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Read a file of words separated by white space.

    Args:
        path: of the file, UTF-8.
        columns: names of the words of a line; a name that begins with ``_`` is dropped.

    Returns:
        String columns, in file order, and `LINE`.

    Raises:
        CorpusError: the file is missing or empty, or a line has another number of words.
    """
    if not path.is_file():
        raise CorpusError(f"no protocol at {path}", wanted=f"lines of {len(columns)} words: {' '.join(columns)}")
    try:
        lines = pl.Series("line", path.read_text(encoding="utf-8").splitlines(), dtype=pl.String)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not text: {error}", wanted="a protocol in UTF-8") from error
    table = lines.to_frame().with_row_index(LINE, offset=1)
    table = table.with_columns(pl.col("line").str.strip_chars().str.replace_all(r"\s+", " ").str.split(" "))
    table = table.filter(pl.col("line").list.get(0) != "")
    if table.is_empty():
        raise CorpusError(f"{path} is empty", wanted=f"lines of {len(columns)} words: {' '.join(columns)}")
    bad = table.filter(pl.col("line").list.len() != len(columns))
    if not bad.is_empty():
        number, words = bad.row(0)
        raise CorpusError(
            f"{path}, line {number}: {len(words)} words: {' '.join(words)[:120]!r}",
            wanted=f"{len(columns)} words: {' '.join(columns)}",
        )
    kept = {name: index for index, name in enumerate(columns) if not name.startswith("_")}
    return table.select(LINE, *(pl.col("line").list.get(index).alias(name) for name, index in kept.items()))


def utterance_table(frame: pl.DataFrame, source: Path) -> pl.DataFrame:
    """Put the columns of a reader into the order of `UTTERANCE_SCHEMA`, and check what every corpus promises.

    Missing columns are filled with nulls, ``-`` in ``attack`` and ``speaker`` becomes null, and what is left over
    stays behind as conditions.

    Raises:
        CorpusError: an utterance has no name or is listed twice, its label is neither ``bonafide`` nor ``spoof``,
            or its partition none of the three.
    """
    absent = [pl.lit(None, pl.String).alias(name) for name in UTTERANCE_SCHEMA if name not in frame.columns]
    table = frame.with_columns(absent)
    table = table.with_columns(pl.col("attack", "speaker").replace(ABSENT, None))
    table = table.with_columns(pl.when(pl.col("label") != Label.BONAFIDE.value).then("attack").alias("attack"))
    nameless = table.filter(pl.col("utterance").fill_null("").str.strip_chars() == "")
    if not nameless.is_empty():
        place = _place(source, nameless.row(0, named=True))
        raise CorpusError(f"{place}: {len(nameless):,} rows have no utterance", wanted="a name for each utterance")
    refuse_other_words(table, source, "label", Label)
    refuse_other_words(table, source, "partition", Partition)
    _refuse_twice(table, str(source))
    conditions = [name for name in table.columns if name not in UTTERANCE_SCHEMA and name != LINE]
    return table.select(*UTTERANCE_SCHEMA, *conditions)


def stack(tables: Sequence[pl.DataFrame], sources: Sequence[Path]) -> pl.DataFrame:
    """Put the utterance tables of several protocols, one a partition, under each other.

    Raises:
        CorpusError: an utterance is in two of them.
    """
    table = pl.concat(tables)
    _refuse_twice(table, " and ".join(str(source) for source in sources))
    return table


def refuse_other_words(table: pl.DataFrame, source: Path, column: str, allowed: Iterable[str]) -> None:
    """Raise a `CorpusError` that names the first row whose word is not allowed; nulls are."""
    words = [str(word) for word in allowed]
    wrong = table.filter(~pl.col(column).is_in(words))
    if not wrong.is_empty():
        row = wrong.row(0, named=True)
        raise CorpusError(
            f"{_place(source, row)}: {column} {row[column]!r} of {row['utterance']}", wanted=" | ".join(words)
        )


def _place(source: Path, row: Mapping[str, object]) -> str:
    return f"{source}, line {row[LINE]}" if LINE in row else str(source)


def _refuse_twice(table: pl.DataFrame, place: str) -> None:
    twice = table.filter(pl.col("utterance").is_duplicated())
    if not twice.is_empty():
        raise CorpusError(f"{place}: utterance {twice['utterance'][0]!r} is listed twice", wanted="one line each")


def in_folder(folder: Path, ending: str) -> pl.Expr:
    """The ``path`` column: the utterance's file in a folder."""
    return pl.concat_str(pl.lit(f"{folder}/"), pl.col("utterance"), pl.lit(ending)).alias("path")


def in_partition_folders(folders: Mapping[Partition, Path], ending: str) -> pl.Expr:
    """The ``path`` column: the utterance's file in the folder of its partition."""
    by_name = {part.value: f"{folder}/" for part, folder in folders.items()}
    folder = pl.col("partition").replace_strict(by_name, return_dtype=pl.String)
    return pl.concat_str(folder, pl.col("utterance"), pl.lit(ending)).alias("path")
