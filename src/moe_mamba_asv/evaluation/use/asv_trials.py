"""ASV scores trial by trial: who claimed to be whom, and what the countermeasure said of the same sound."""

import csv
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import polars as pl

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.teer import PairedScores
from moe_mamba_asv.scores import name_some
from moe_mamba_asv.scores.read import refuse_unreadable
from moe_mamba_asv.scores.rows import bounded_lines, is_text, numbers, shorten
from moe_mamba_asv.scores.tabular import SEPARATORS

KINDS = ("target", "nontarget", "spoof")
_COLUMNS = ("utterance", "asv_score", "kind")
_WANTED = f"a first line with the columns {', '.join(_COLUMNS)}, separated by tabs, commas or semicolons"


@dataclass(frozen=True)
class AsvTrials:
    """Trials of one ASV system; an utterance has as many as there are claims of identity.

    Attributes:
        frame: columns ``utterance``, ``asv_score`` (float64, finite), ``kind`` (target, nontarget or spoof).
        source: the file.
    """

    frame: pl.DataFrame
    source: Path


@dataclass(frozen=True)
class TandemScores:
    """Both scores of every trial, by kind.

    Attributes:
        target: the claimed speaker, bona fide.
        nontarget: another speaker, bona fide.
        spoof: a spoofing attack.
        source: file of the ASV scores.
        warnings: what makes figures from these trials suspect.
        notes: choices that a reader must know.
    """

    target: PairedScores
    nontarget: PairedScores
    spoof: PairedScores
    source: Path
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_asv_trials(path: str | PathLike[str]) -> AsvTrials:
    r"""Read one ASV score for each trial.

    Args:
        path: text with the columns ``utterance``, ``asv_score`` and ``kind`` in any order, and others that are left
            alone, such as ``LA_E_1000147\t2.31\ttarget``. A higher score says that it is the claimed speaker.

    Raises:
        ScoreError: absent, empty or malformed file, another kind, a score that is not finite (all name the line), the
            same row twice, or a kind without trials.
    """
    file = Path(path)
    refuse_unreadable(file)
    rows = _read_rows(file)
    score = numbers(file, rows, "asv_score")
    wrong = rows.filter(~pl.col("kind").is_in(KINDS) | ~score.is_finite().fill_null(False))
    if not wrong.is_empty():
        first = wrong.row(0, named=True)
        got = f"{file} line {first['line']}: kind {shorten(first['kind'])!r} with score {shorten(first['asv_score'])!r}"
        raise ScoreError(got, wanted=f"{' | '.join(KINDS)} and a finite score")
    frame = rows.select("utterance", score.alias("asv_score"), "kind")
    twice = rows.filter(frame.is_duplicated())
    if not twice.is_empty():
        got = f"{file}: {len(twice):,} rows are the same as another: {name_some(twice['utterance'].unique())}"
        raise ScoreError(got, wanted="every trial once", remedy="look for a run that was appended to")
    absent = [kind for kind in KINDS if kind not in frame["kind"]]
    if absent:
        raise ScoreError(f"{file} has no {' and no '.join(absent)} trials", wanted=", ".join(KINDS))
    return AsvTrials(frame, file)


def _read_rows(file: Path) -> pl.DataFrame:
    """The three columns as text, and the 1-based line of each row."""
    first = next((line for line in bounded_lines(file) if line.strip()), "")
    separator = next((mark for mark in SEPARATORS if set(_COLUMNS) <= set(_names(first, mark))), None)
    if separator is None:
        raise ScoreError(f"{file} begins {shorten(first)!r}", wanted=_WANTED)
    names = _names(first, separator)
    places = [names.index(column) for column in _COLUMNS]
    reader = csv.reader(bounded_lines(file), delimiter=separator, strict=True)
    rows: list[tuple[str | int, ...]] = []
    try:
        for fields in reader:
            if not any(map(str.strip, fields)):
                continue
            if len(fields) != len(names) or not fields[places[0]].strip() or not is_text("".join(fields)):
                got = f"{file} line {reader.line_num}: {shorten(separator.join(fields))!r}"
                raise ScoreError(got, wanted=f"{len(names)} fields as in the header, and an utterance")
            rows.append((*(fields[place].strip() for place in places), reader.line_num))
    except csv.Error as error:
        raise ScoreError(f"{file} line {reader.line_num}: {error}", wanted="fields quoted as in CSV") from error
    schema = {**dict.fromkeys(_COLUMNS, pl.String), "line": pl.Int64}
    return pl.DataFrame(rows[1:], schema=schema, orient="row")  # the first is the header


def _names(line: str, separator: str) -> list[str]:
    return [name.strip().strip('"').lower() for name in line.split(separator)]


def pair_scores(
    asv: AsvTrials, trials: Trials, *, allow_missing: bool = False, allow_extra: bool = False
) -> TandemScores:
    """Put the countermeasure's score of the utterance beside every ASV score.

    Args:
        asv: what `read_asv_trials` answers.
        trials: of the countermeasure. Its failed utterances are in no figure, with a warning.
        allow_missing: go on, with a warning, where utterances of the countermeasure have no ASV trial.
        allow_extra: drop, with a note, ASV trials of utterances that the countermeasure did not judge.

    Raises:
        ScoreError: missing or extra utterances, or a kind that is not the label of the utterance; names them.
    """
    judged = trials.frame.select("utterance", pl.Series("is_bonafide", trials.is_bonafide), "score")
    frame = asv.frame.join(trials.failed.select("utterance"), on="utterance", how="anti", maintain_order="left")
    warnings, name = [], asv.source.name
    if len(frame) < len(asv.frame):
        warnings.append(f"{len(asv.frame) - len(frame):,} ASV trials of utterances without a score are in no figure")
    both = frame.join(judged, on="utterance", how="left", maintain_order="left")
    extra = both.filter(pl.col("score").is_null())["utterance"].unique(maintain_order=True)
    notes = []
    if len(extra):
        message = f"{name} has {len(extra):,} utterances that were not judged: {name_some(extra)}"
        if not allow_extra or len(extra) == both["utterance"].n_unique():
            remedy = "the ASV scores of this partition, or --allow-extra"
            raise ScoreError(message, wanted="ASV trials of the judged utterances only", remedy=remedy)
        notes.append(f"{message}; they were dropped")
    missing = judged.join(frame, on="utterance", how="anti", maintain_order="left")["utterance"]
    if len(missing):
        message = f"{len(missing):,} of {len(judged):,} judged utterances have no trial in {name}: {name_some(missing)}"
        if not allow_missing:
            remedy = "the ASV scores of the whole partition, or --allow-missing"
            raise ScoreError(message, wanted="one for every utterance, or more", remedy=remedy)
        warnings.append(f"{message}; a-DCF and t-EER are of a part")
    both = both.filter(pl.col("score").is_not_null())
    _refuse_other_labels(both, name)
    pairs = {kind: _pairs(both.filter(pl.col("kind") == kind)) for kind in KINDS}
    return TandemScores(**pairs, source=asv.source, warnings=tuple(warnings), notes=tuple(notes))


def _refuse_other_labels(both: pl.DataFrame, name: str) -> None:
    differ = both.filter((pl.col("kind") == "spoof") == pl.col("is_bonafide"))
    if not differ.is_empty():
        first = differ.row(0, named=True)
        label = "bona fide" if first["is_bonafide"] else "spoofed"
        got = f"{len(differ):,} trials of {name} are labelled otherwise than in the corpus: "
        got += f"{name_some(differ['utterance'].unique(maintain_order=True))}; {first['utterance']} is {label} there"
        wanted = "target or nontarget for bona fide utterances, spoof for spoofed ones"
        raise ScoreError(f"{got} and {first['kind']} here", wanted=wanted)


def _pairs(rows: pl.DataFrame) -> PairedScores:
    return PairedScores(asv=rows["asv_score"].to_numpy(), cm=rows["score"].to_numpy())
