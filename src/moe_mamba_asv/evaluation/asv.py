"""The organisers' speaker-verification (ASV) scores, which a t-DCF needs."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import polars as pl

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint, asv_operating_point
from moe_mamba_asv.scores.read import refuse_unreadable
from moe_mamba_asv.scores.rows import numbers, read_rows, shorten

_KINDS = ("target", "nontarget", "spoof")


@dataclass(frozen=True)
class AsvScores:
    """Scores of one ASV system on one partition.

    Attributes:
        target: float64 [target].
        nontarget: zero-effort impostors, float64 [nontarget].
        spoof: float64 [spoof].
        attack_counts: number of spoofed trials by attack id.
        source: the file.
    """

    target: np.ndarray
    nontarget: np.ndarray
    spoof: np.ndarray
    attack_counts: dict[str, int]
    source: Path

    @cached_property
    def operating_point(self) -> AsvOperatingPoint:
        """The system at its own EER threshold."""
        return asv_operating_point(self.target, self.nontarget, self.spoof)


def read_asv_scores(path: str | PathLike[str]) -> AsvScores:
    """Read ASV scores of the 2019 form: ``bonafide target 18.20527``, ``A01 spoof -2.5``.

    Args:
        path: ``ASVspoof2019.LA.asv.<partition>.gi.trl.scores.txt`` or alike.

    Raises:
        ScoreError: absent, empty or malformed file (names the line); a kind of trial is absent.
    """
    file = Path(path)
    refuse_unreadable(file)
    rows = read_rows(file, ("attack", "key", "score"))
    scores = numbers(file, rows)
    wrong = rows.filter(~pl.col("key").is_in(_KINDS) | ~scores.is_finite())
    if not wrong.is_empty():
        line, key, score = wrong["line"][0], wrong["key"][0], wrong["score"][0]
        wanted = f"{' | '.join(_KINDS)} and a finite score"
        raise ScoreError(f"{file} line {line}: ASV trial {shorten(key)!r} with score {score}", wanted=wanted)
    by_kind = {kind: scores.filter(rows["key"] == kind).to_numpy() for kind in _KINDS}
    absent = [kind for kind in _KINDS if by_kind[kind].size == 0]
    if absent:
        raise ScoreError(f"{file} has no {' and no '.join(absent)} trials", wanted=", ".join(_KINDS))
    counts = rows.filter(pl.col("key") == "spoof").group_by("attack").len().sort("attack")
    return AsvScores(**by_kind, attack_counts=dict(counts.iter_rows()), source=file)


def find_asv_scores(root: Path, kind: str, partition: str | None) -> Path | None:
    """The ASV scores that the organisers ship inside a corpus's tree, if this corpus has them for this partition.

    Args:
        root: the tree, or the folder that holds its ``LA``.
        kind: the corpus reader's name; only ``asvspoof2019-la`` ships them in this form.
        partition: ``dev`` or ``eval``; there are none for ``train``.
    """
    if kind != "asvspoof2019-la":
        return None
    inside = Path("ASVspoof2019_LA_asv_scores") / f"ASVspoof2019.LA.asv.{partition}.gi.trl.scores.txt"
    candidates = [root / inside, root / "LA" / inside]
    return next((candidate for candidate in candidates if candidate.is_file()), None)
