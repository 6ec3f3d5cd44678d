"""Write a score table in one of the forms of the field."""

from os import PathLike
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores.table import (
    ASVSPOOF5_COLUMN_LINE,
    CALIBRATED_COLUMN_LINE,
    CALIBRATED_COLUMNS,
    COLUMN_LINE,
    DIRECTION,
    MAGIC,
    ScoreTable,
    name_some,
    write_atomically,
)

ScoreForm = Literal["mma", "asvspoof2019", "asvspoof2021", "asvspoof5"]


def write_scores(path: str | PathLike[str], table: ScoreTable, form: ScoreForm = "mma") -> None:
    """Write a score file, whole or not at all.

    Scores have nine significant digits, which is every float32 exactly. The project's own form keeps the header
    the rows that failed and what a calibration added; no other form can, so a table with failed rows is refused there.

    Args:
        path: replaced if it exists; its folders are made.
        table: finite scores.
        form: ``mma``, or what the organisers' own scripts of that year read.

    Raises:
        ScoreError: nothing to write, scores that are not finite, an id that the form cannot hold, failed rows
            or missing labels in a form that has no room for or needs them.
    """
    if table.frame.is_empty():
        raise ScoreError("a score table without rows", wanted="one row per utterance")
    _refuse_impossible(table, form)
    match form:
        case "mma":
            lines = _own_lines(table)
        case "asvspoof2019":
            lines = _lines_2019(table)
        case "asvspoof2021":
            lines = [f"{utterance} {score}" for utterance, score in _pairs(table)]
        case "asvspoof5":
            lines = [ASVSPOOF5_COLUMN_LINE, *(f"{utterance}\t{score}" for utterance, score in _pairs(table))]
    write_atomically(Path(path), "\n".join(lines) + "\n")


def format_score(score: float) -> str:
    """Nine significant digits: the shortest that keeps every float32 apart."""
    return f"{score:.9g}"


def _pairs(table: ScoreTable) -> list[tuple[str, str]]:
    scores = map(format_score, table.frame["score"].to_list())
    return list(zip(table.frame["utterance"].to_list(), scores, strict=True))


def _own_lines(table: ScoreTable) -> list[str]:
    header = {"direction": DIRECTION, **table.header}
    column_line = CALIBRATED_COLUMN_LINE if table.is_calibrated else COLUMN_LINE
    lines = [MAGIC, *(f"# {key}: {value}" for key, value in header.items()), column_line]
    for utterance, score, error, *more in table.frame.select(column_line.split("\t")).iter_rows():
        reason = "" if error is None else " ".join(error.split())
        numbers = ["" if number is None else format_score(number) for number in (score, *more)]
        lines.append("\t".join([utterance, numbers[0], reason, *numbers[1:]]))
    return lines


def _lines_2019(table: ScoreTable) -> list[str]:
    if table.trials is None:
        raise ScoreError("scores without labels in the 2019 form", wanted="an attack and a key for every trial")
    twice = table.trials.filter(pl.col("utterance").is_duplicated())
    if not twice.is_empty():
        raise ScoreError(f"labelled more than once: {name_some(twice['utterance'].unique())}", wanted="one label each")
    labelled = table.frame.join(table.trials, on="utterance", how="left", maintain_order="left")
    without = labelled.filter(pl.col("label").is_null())
    if not without.is_empty():
        raise ScoreError(f"no key for {name_some(without['utterance'])}", wanted="an attack and a key for every trial")
    columns = labelled.select("utterance", pl.col("attack").fill_null("-"), "label", "score").iter_rows()
    return [f"{utterance} {attack} {label} {format_score(score)}" for utterance, attack, label, score in columns]


def _refuse_impossible(table: ScoreTable, form: ScoreForm) -> None:
    """Everything that would make a file which cannot be read back as it was."""
    if form not in get_args(ScoreForm):
        raise ScoreError(f"score form {form!r}", wanted=" | ".join(get_args(ScoreForm)))
    bad = table.scored.filter(~pl.col("score").is_finite().fill_null(False))
    if not bad.is_empty():
        raise ScoreError(f"no finite score for {name_some(bad['utterance'])}", wanted="a number or a reason")
    unclear = table.failed.filter(pl.col("score").is_not_null() | (pl.col("error").str.strip_chars() == ""))
    if not unclear.is_empty():
        raise ScoreError(f"unclear whether scored: {name_some(unclear['utterance'])}", wanted="a score or a reason")
    for name in CALIBRATED_COLUMNS if table.is_calibrated else ():
        uncalibrated = table.frame.filter(
            (pl.col(name).is_null() != pl.col("score").is_null()) | ~pl.col(name).is_finite().fill_null(True)
        )
        if not uncalibrated.is_empty():
            raise ScoreError(
                f"no finite {name} for {name_some(uncalibrated['utterance'])}", wanted="one for each score"
            )
    unspeakable = table.frame.filter(pl.col("utterance").str.contains(r"^$|[\t\r\n]" if form == "mma" else r"^$|\s"))
    if not unspeakable.is_empty():
        raise ScoreError(f"utterance {unspeakable['utterance'][0]!r}", wanted=f"an id that the form {form} can hold")
    if form != "mma" and not table.failed.is_empty():
        raise ScoreError(
            f"{len(table.failed):,} files without a score: {name_some(table.failed['utterance'])}",
            wanted=f"a score for every utterance, as the form {form} has no room for errors",
            remedy="form 'mma'",
        )
    for key, value in table.header.items():
        if ":" in key or "\n" in f"{key}{value}" or "\r" in f"{key}{value}" or not key or not value:
            raise ScoreError(f"header {key!r}: {value!r}", wanted="one line, a key without a colon and a value")
        if key == "direction" and value != DIRECTION:
            raise ScoreError(f"scores with direction {value!r}", wanted=f"'{DIRECTION}'")
