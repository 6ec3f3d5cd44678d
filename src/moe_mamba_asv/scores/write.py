"""Write a score table in one of the forms of the field."""

import re
from collections import Counter
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Literal, get_args

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
    if not table.columns["utterance"]:
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
    return [(utterance, format_score(score)) for utterance, score in table.rows("utterance", "score")]


def _own_lines(table: ScoreTable) -> list[str]:
    header = {"direction": DIRECTION, **table.header}
    column_line = CALIBRATED_COLUMN_LINE if table.is_calibrated else COLUMN_LINE
    lines = [MAGIC, *(f"# {key}: {value}" for key, value in header.items()), column_line]
    for utterance, score, error, *more in table.rows(*column_line.split("\t")):
        reason = "" if error is None else " ".join(error.split())
        numbers = ["" if number is None else format_score(number) for number in (score, *more)]
        lines.append("\t".join([utterance, numbers[0], reason, *numbers[1:]]))
    return lines


def _lines_2019(table: ScoreTable) -> list[str]:
    if table.trials is None:
        raise ScoreError("scores without labels in the 2019 form", wanted="an attack and a key for every trial")
    twice = [name for name, count in Counter(table.trials["utterance"]).items() if count > 1]
    if twice:
        raise ScoreError(f"labelled more than once: {name_some(twice)}", wanted="one label each")
    rows = table.trials.select("utterance", "attack", "label").iter_rows()
    keys = {utterance: f"{attack or '-'} {label}" for utterance, attack, label in rows if label is not None}
    without = [utterance for utterance in table.columns["utterance"] if utterance not in keys]
    if without:
        raise ScoreError(f"no key for {name_some(without)}", wanted="an attack and a key for every trial")
    return [f"{utterance} {keys[utterance]} {score}" for utterance, score in _pairs(table)]


def _refuse_impossible(table: ScoreTable, form: ScoreForm) -> None:
    """Everything that would make a file which cannot be read back as it was."""
    if form not in get_args(ScoreForm):
        raise ScoreError(f"score form {form!r}", wanted=" | ".join(get_args(ScoreForm)))
    rows = list(table.rows("utterance", "score", "error"))
    bad = [name for name, score, error in rows if error is None and not _is_number(score)]
    if bad:
        raise ScoreError(f"no finite score for {name_some(bad)}", wanted="a number or a reason")
    failed = [name for name, _, error in rows if error is not None]
    unclear = [name for name, score, error in rows if error is not None and (score is not None or not error.strip())]
    if unclear:
        raise ScoreError(f"unclear whether scored: {name_some(unclear)}", wanted="a score or a reason")
    for column in CALIBRATED_COLUMNS if table.is_calibrated else ():
        values = table.rows("utterance", "score", column)
        uncalibrated = [name for name, score, value in values if not _fits(value, score)]
        if uncalibrated:
            raise ScoreError(f"no finite {column} for {name_some(uncalibrated)}", wanted="one for each score")
    no_id = re.compile(r"[\t\r\n]" if form == "mma" else r"\s")
    unspeakable = [name for name, *_ in rows if not name or no_id.search(name)]
    if unspeakable:
        raise ScoreError(f"utterance {unspeakable[0]!r}", wanted=f"an id that the form {form} can hold")
    if form != "mma" and failed:
        raise ScoreError(
            f"{len(failed):,} files without a score: {name_some(failed)}",
            wanted=f"a score for every utterance, as the form {form} has no room for errors",
            remedy="form 'mma'",
        )
    for key, value in table.header.items():
        if ":" in key or "\n" in f"{key}{value}" or "\r" in f"{key}{value}" or not key or not value:
            raise ScoreError(f"header {key!r}: {value!r}", wanted="one line, a key without a colon and a value")
        if key == "direction" and value != DIRECTION:
            raise ScoreError(f"scores with direction {value!r}", wanted=f"'{DIRECTION}'")


def _fits(value: float | None, score: float | None) -> bool:
    """Whether a calibration said a number of a score, and nothing of none."""
    return value is None if score is None else _is_number(value)


def _is_number(value: float | None) -> bool:
    return value is not None and isfinite(value)
