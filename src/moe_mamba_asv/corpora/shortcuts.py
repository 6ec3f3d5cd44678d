"""How well bona fide and spoof are told apart by what is no trace of a fake: duration, level, silence, coding.

A detector learns the cheapest difference. Where one feature alone separates the classes of a corpus, a low error
on that corpus may say nothing about fakes: in ASVspoof 2019, the length of the edge silences does so (Müller et al.,
"Speech is Silver, Silence is Golden", 2021).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from moe_mamba_asv.corpora.check import NAMED, Finding
from moe_mamba_asv.corpora.shortcut_features import FEATURES, Progress, measure_files
from moe_mamba_asv.corpora.shortcut_scorer import auc, auc_interval, deal_folds, out_of_fold_scores
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Label, Partition

#: A feature that alone reaches more than this is a shortcut.
LIMIT_AUC = 0.60
#: Of each class; with fewer clips no feature can be judged.
FEWEST_CLIPS = 10
#: With fewer speakers a bootstrap over them has too few of them to draw from; utterances are drawn then.
FEWEST_SPEAKERS = 10

Verdict = Literal["shortcut", "uncertain", "none"]
Unit = Literal["speaker", "utterance"]


@dataclass(frozen=True)
class FeatureAudit:
    """How well one feature alone tells bona fide from spoof in one partition.

    Attributes:
        partition: train, dev or eval.
        feature: one of `shortcut_features.FEATURES`.
        auc: area under the ROC curve of cross-validated scores; 0.5 is chance. A useless feature may lie below,
            far below where both classes are made of the same recordings and folds are by utterance.
        low: lower end of its 95 % interval.
        high: upper end.
        verdict: ``shortcut``: above `LIMIT_AUC` and the interval above 0.5; ``uncertain``: above `LIMIT_AUC` by an
            interval that holds 0.5; else ``none``.
        bonafide: clips of bona fide speech.
        spoof: clips of spoofed speech.
        folds_by: what never is in two folds; utterances where too few speakers are known to have both classes in
            each training part.
        interval_by: what the bootstrap draws; utterances below `FEWEST_SPEAKERS` speakers, and then the interval
            tells nothing of other speakers.
        worst_attack: that the feature alone tells best from all bona fide speech; None where no attack is named.
        worst_attack_auc: its area; the largest of several, and so too large by chance where clips are few.
    """

    partition: str
    feature: str
    auc: float
    low: float
    high: float
    verdict: Verdict
    bonafide: int
    spoof: int
    folds_by: Unit
    interval_by: Unit
    worst_attack: str | None
    worst_attack_auc: float | None


@dataclass(frozen=True)
class ShortcutAudit:
    """What an audit answers.

    Attributes:
        rows: by partition, then by feature.
        not_judged: partitions without a row, and why.
        undecodable: ``utterance: reason`` of each file that could not be measured.
    """

    rows: tuple[FeatureAudit, ...]
    not_judged: tuple[str, ...]
    undecodable: tuple[str, ...]

    def findings(self) -> list[Finding]:
        """A warning for each shortcut, an error for files that cannot be decoded."""
        found = [
            Finding("shortcut", "warning", _sentence(row), (), row.bonafide + row.spoof)
            for row in self.rows
            if row.verdict == "shortcut"
        ]
        if self.undecodable:
            named, count = self.undecodable[:NAMED], len(self.undecodable)
            found.append(Finding("undecodable", "error", "files that cannot be decoded", named, count))
        return found


def audit_shortcuts(
    corpus: Corpus, generator: np.random.Generator, *, on_progress: Progress = lambda done, total: None
) -> ShortcutAudit:
    """Measure every labelled file of a corpus once and judge each feature in each partition.

    A file that is not there is passed over (`check_corpus` names it); one that cannot be decoded is listed.

    Args:
        corpus: with audio paths and labels.
        generator: deals folds and draws for the intervals.
        on_progress: called with files done and all files.

    Raises:
        CorpusError: no labelled utterance has a file.
    """
    labelled = corpus.table.drop_nulls(["label", "path"])
    rows = labelled.filter(pl.Series([Path(path).is_file() for path in labelled["path"]], dtype=pl.Boolean))
    if rows.is_empty():
        raise CorpusError(f"{corpus.kind} has no labelled audio to measure", wanted="files", remedy="give --root")
    measured, undecodable = measure_files(rows, on_progress)
    judged, not_judged = judge_features(measured, generator)
    return ShortcutAudit(tuple(judged), tuple(not_judged), tuple(undecodable))


def judge_features(measured: pl.DataFrame, generator: np.random.Generator) -> tuple[list[FeatureAudit], list[str]]:
    """Judge measurements.

    Args:
        measured: columns of an utterance table, and a list column of numbers for each of `FEATURES`.
        generator: deals folds and draws for the intervals.

    Returns:
        One row for each partition and feature, and the partitions that have too few clips, in words.
    """
    rows, not_judged = [], []
    for partition in Partition:
        part = measured.filter(pl.col("partition") == partition.value)
        counts = [int((part["label"] == label.value).sum()) for label in Label]
        if min(counts) >= FEWEST_CLIPS:
            rows += _judge_partition(part, partition, generator)
        elif not part.is_empty():
            text = f"{partition}: {counts[0]} bona fide and {counts[1]} spoofed clips; wanted: {FEWEST_CLIPS} of each"
            not_judged.append(text)
    return rows, not_judged


def _judge_partition(
    part: pl.DataFrame, partition: Partition, generator: np.random.Generator
) -> Iterable[FeatureAudit]:
    subset = _Subset(part, generator)
    attacks = [(name, _Subset(clips, generator)) for name, clips in _each_attack(part)]
    for feature in FEATURES:
        scores = subset.scores(feature)
        area = auc(scores, subset.bonafide)
        low, high = auc_interval(scores, subset.bonafide, subset.drawn, generator)
        worst = max(((auc(one.scores(feature), one.bonafide), name) for name, one in attacks), default=None)
        yield FeatureAudit(
            partition=partition.value,
            feature=feature,
            auc=area,
            low=low,
            high=high,
            verdict="none" if area <= LIMIT_AUC else "shortcut" if low > 0.5 else "uncertain",
            bonafide=int(subset.bonafide.sum()),
            spoof=int((~subset.bonafide).sum()),
            folds_by=subset.folds_by,
            interval_by=subset.interval_by,
            worst_attack=worst and worst[1],
            worst_attack_auc=worst and worst[0],
        )


def _each_attack(part: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    """All bona fide clips with those of one attack, where it has enough."""
    is_bonafide = pl.col("label") == Label.BONAFIDE.value
    for attack, clips in part.filter(~is_bonafide)["attack"].drop_nulls().value_counts().sort("attack").iter_rows():
        if clips >= FEWEST_CLIPS:
            yield attack, part.filter(is_bonafide | (pl.col("attack") == attack))


class _Subset:
    """Clips that are judged together, with their folds."""

    def __init__(self, clips: pl.DataFrame, generator: np.random.Generator) -> None:
        self._clips = clips
        self.bonafide: NDArray[np.bool_] = (clips["label"] == Label.BONAFIDE.value).to_numpy()
        # A clip whose speaker is unknown is a group of its own.
        own = pl.format("utterance {}", "utterance")
        speakers = clips.select(pl.coalesce(pl.format("speaker {}", "speaker"), own)).to_series().to_list()
        self.folds_by: Unit = "speaker" if clips["speaker"].null_count() < len(clips) else "utterance"
        self._folds = deal_folds(self.bonafide, speakers, generator)
        if not _trainable(self._folds, self.bonafide):
            self.folds_by = "utterance"
            self._folds = deal_folds(self.bonafide, clips["utterance"].to_list(), generator)
        enough = self.folds_by == "speaker" and len(set(speakers)) >= FEWEST_SPEAKERS
        self.interval_by: Unit = "speaker" if enough else "utterance"
        self.drawn: Sequence[str] = speakers if enough else clips["utterance"].to_list()

    def scores(self, feature: str) -> NDArray[np.float64]:
        """Out-of-fold scores (clips,) of one feature; higher is bona fide."""
        values = np.array(self._clips[feature].to_list(), dtype=np.float64)
        return out_of_fold_scores(values, self.bonafide, self._folds)


def _trainable(folds: NDArray[np.intp], bonafide: NDArray[np.bool_]) -> bool:
    """Whether the rest of every fold has both classes."""
    return all(len(np.unique(bonafide[folds != fold])) == 2 for fold in np.unique(folds))


def _sentence(row: FeatureAudit) -> str:
    worst = f"; worst: {row.worst_attack}, {row.worst_attack_auc:.2f}" if row.worst_attack is not None else ""
    return (
        f"{row.partition}: bona fide and spoof are told apart by {row.feature} alone, AUC {row.auc:.2f} "
        f"[{row.low:.2f}, {row.high:.2f}]{worst}"
    )
