"""Reading protocol files: columns of words, one trial a line, hundreds of thousands of lines."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Label

#: How a protocol writes "does not apply".
ABSENT = "-"


def read_words(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Read a file of words separated by white space.

    Args:
        path: of the file, UTF-8.
        columns: names of the words of a line; a name that begins with ``_`` is dropped.

    Returns:
        String columns, in file order.

    Raises:
        CorpusError: the file is missing or empty, or a line has another number of words.
    """
    if not path.is_file():
        raise CorpusError(f"no protocol at {path}", wanted=f"lines of {len(columns)} words: {' '.join(columns)}")
    try:
        lines = pl.Series("line", path.read_text(encoding="utf-8").splitlines(), dtype=pl.String)
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not text: {error}", wanted="a protocol in UTF-8") from error
    table = lines.to_frame().with_row_index("number", offset=1)
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
    return table.select(pl.col("line").list.get(index).alias(name) for name, index in kept.items())


def utterance_table(frame: pl.DataFrame, source: Path) -> pl.DataFrame:
    """Put the columns of a reader into the order of `UTTERANCE_SCHEMA`, and check what every corpus promises.

    Missing columns are filled with nulls, ``-`` in ``attack`` and ``speaker`` becomes null, and what is left over
    stays behind as conditions.

    Raises:
        CorpusError: a label is neither ``bonafide`` nor ``spoof``, or an utterance is listed twice.
    """
    absent = [pl.lit(None, pl.String).alias(name) for name in UTTERANCE_SCHEMA if name not in frame.columns]
    table = frame.with_columns(absent)
    table = table.with_columns(pl.col("attack", "speaker").replace(ABSENT, None))
    table = table.with_columns(pl.when(pl.col("label") != Label.BONAFIDE.value).then("attack").alias("attack"))
    wrong = table.filter(~pl.col("label").is_in([label.value for label in Label]))
    if not wrong.is_empty():
        raise CorpusError(
            f"{source}: label {wrong['label'][0]!r} of {wrong['utterance'][0]}", wanted="bonafide or spoof"
        )
    twice = table.filter(pl.col("utterance").is_duplicated())
    if not twice.is_empty():
        raise CorpusError(f"{source}: utterance {twice['utterance'][0]!r} is listed twice", wanted="one line each")
    conditions = [name for name in table.columns if name not in UTTERANCE_SCHEMA]
    return table.select(*UTTERANCE_SCHEMA, *conditions)


def in_folder(folder: Path, ending: str) -> pl.Expr:
    """The ``path`` column: the utterance's file in a folder."""
    return pl.concat_str(pl.lit(f"{folder}/"), pl.col("utterance"), pl.lit(ending)).alias("path")
