"""Scores meet labels: whatever does not fit stops here, before it can move a number."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores import ScoreTable, name_some
from moe_mamba_asv.types import Attack, Corpus, Label

#: Subsets of the 2021 keys. Published figures are of ``eval`` only, but score files hold all three.
_SUBSETS_2021 = ("eval", "progress", "hidden")


@dataclass(frozen=True)
class Trials:
    """Scored trials with their labels; row ``k`` of ``frame`` is element ``k`` of every array.

    Attributes:
        score: float64 [trials], finite; higher = bona fide.
        is_bonafide: bool [trials].
        attack: int32 [trials], index into ``attack_names``; -1 for bona fide and where the corpus does not tell.
        attack_names: attack ids, sorted.
        frame: the corpus's columns (speaker, partition, conditions …) and ``score``.
        failed: ``utterance``, ``error`` of the trials that could not be scored; they are in no array.
        corpus: the reader's name.
        catalogue: what is published of the attacks.
        partition: ``train``, ``dev``, ``eval``, several joined by ``+``, or None where the corpus does not tell.
        system: who answered, as the score file says; empty if it does not.
        header: all that the score file says of its system; see `ScoreTable`.
        warnings: what makes a number from these trials suspect.
        notes: choices that a reader of a number must know.
    """

    score: np.ndarray
    is_bonafide: np.ndarray
    attack: np.ndarray
    attack_names: tuple[str, ...]
    frame: pl.DataFrame
    failed: pl.DataFrame
    corpus: str
    catalogue: Mapping[str, Attack] = field(default_factory=dict)
    partition: str | None = None
    system: str = ""
    header: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def bonafide_scores(self) -> np.ndarray:
        """Scores of the bona fide trials [bonafide]."""
        return self.score[self.is_bonafide]

    @property
    def spoof_scores(self) -> np.ndarray:
        """Scores of the spoofed trials [spoof]."""
        return self.score[~self.is_bonafide]

    @property
    def llr(self) -> np.ndarray | None:
        """Log-likelihood ratios beside the scores [trials], in nats; None where the scores are not calibrated."""
        return self.frame["llr"].to_numpy() if "llr" in self.frame.columns else None

    def attack_scores(self, name: str) -> np.ndarray:
        """Scores of the trials of one attack [n]."""
        return self.score[self.attack == self.attack_names.index(name)]


def join(scores: ScoreTable, corpus: Corpus, *, allow_missing: bool = False, allow_extra: bool = False) -> Trials:
    """Put the label of every utterance beside its score.

    Rows with an error in place of a score are counted in ``failed`` and warned of. Of ASVspoof 2021, scores of
    subsets that the corpus was cut down from are dropped with a note.

    Args:
        scores: of one system.
        corpus: with a label for every utterance, cut down to the partition to be judged.
        allow_missing: judge what is scored, with a warning, where the corpus has more utterances.
        allow_extra: drop scores of utterances that the corpus does not have, with a note.

    Raises:
        ScoreError: duplicate, missing, extra or non-finite scores, all scores the same, a label or attack in the
            score file that is not the corpus's, unlabelled utterances, or a class without trials; names the ids.
    """
    _refuse_bad_scores(scores)
    _refuse_unlabelled(corpus)
    notes, warnings = list(corpus.notes), []
    notes += _settle_extra(scores, corpus, allow_extra)
    joined = corpus.table.join(scores.frame, on="utterance", how="left", maintain_order="left")
    warnings += _settle_missing(joined, allow_missing)
    _refuse_disagreement(scores, joined)
    failed = joined.filter(pl.col("error").is_not_null())
    if not failed.is_empty():
        warnings.append(f"{_share(failed, corpus)} could not be scored and are in no number: {_name(failed)}")
    scored = joined.filter(pl.col("score").is_not_null() & pl.col("error").is_null()).drop("error")
    _refuse_useless(scored)
    return _to_trials(scored, failed.select("utterance", "error"), scores, corpus, warnings, notes)


def _to_trials(
    scored: pl.DataFrame,
    failed: pl.DataFrame,
    scores: ScoreTable,
    corpus: Corpus,
    warnings: list[str],
    notes: list[str],
) -> Trials:
    is_spoof = pl.col("label") == Label.SPOOF.value
    attack = scored.select(pl.when(is_spoof).then(pl.col("attack")).alias("attack"))["attack"]
    names = sorted(attack.drop_nulls().unique().to_list())
    codes = attack.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int32).fill_null(-1)
    return Trials(
        score=scored["score"].to_numpy(),
        is_bonafide=(scored["label"] == Label.BONAFIDE.value).to_numpy(),
        attack=codes.to_numpy(),
        attack_names=tuple(names),
        frame=scored,
        failed=failed,
        corpus=corpus.kind,
        catalogue=corpus.attacks,
        partition="+".join(sorted(scored["partition"].drop_nulls().unique().to_list())) or None,
        system=scores.header.get("model", ""),
        header=scores.header,
        warnings=tuple(warnings),
        notes=tuple(notes),
    )


def _refuse_bad_scores(scores: ScoreTable) -> None:
    """What is wrong with the scores whatever the corpus."""
    twice = scores.frame.filter(pl.col("utterance").is_duplicated())["utterance"].unique(maintain_order=True)
    if not twice.is_empty():
        raise ScoreError(
            f"{len(twice):,} utterances scored more than once: {name_some(twice)}", wanted="one score for each"
        )
    bad = scores.scored.filter(~pl.col("score").is_finite().fill_null(False))
    if not bad.is_empty():
        raise ScoreError(f"{len(bad):,} scores are NaN, infinite or absent: {_name(bad)}", wanted="finite scores")


def _refuse_unlabelled(corpus: Corpus) -> None:
    if corpus.table.is_empty():
        raise ScoreError(f"{corpus.kind}: no utterances to judge", wanted="a partition with trials")
    labels = [label.value for label in Label]
    unlabelled = corpus.table.filter(~pl.col("label").is_in(labels).fill_null(False))
    if not unlabelled.is_empty():
        raise ScoreError(
            f"{corpus.kind} has no label for {_share(unlabelled, corpus)}: {_name(unlabelled)}",
            wanted="bonafide or spoof for every utterance",
            remedy="a protocol or manifest that has the labels",
        )


def _settle_extra(scores: ScoreTable, corpus: Corpus, allowed: bool) -> list[str]:
    """Notes on scores that the corpus has no utterance for, or a refusal."""
    extra = scores.frame.join(corpus.table, on="utterance", how="anti", maintain_order="left")
    if extra.is_empty():
        return []
    if len(extra) == len(scores.frame):
        raise ScoreError(
            f"none of the {len(extra):,} scored utterances is among the {len(corpus.table):,} of {corpus.kind}: "
            f"{_name(extra)}",
            wanted=f"ids such as {corpus.table['utterance'][0]}",
            remedy="the corpus and partition that were scored",
        )
    left_out = _left_out_subsets(corpus)
    if left_out:
        return [f"{len(extra):,} scores of other subsets ({', '.join(left_out)}) were dropped"]
    if allowed:
        return [f"{len(extra):,} scores of utterances outside the corpus were dropped: {_name(extra)}"]
    raise ScoreError(
        f"{len(extra):,} scored utterances are not in {corpus.kind}: {_name(extra)}",
        wanted=f"scores of its {len(corpus.table):,} utterances only",
        remedy="the corpus and partition that were scored, or --allow-extra",
    )


def _left_out_subsets(corpus: Corpus) -> list[str]:
    if not corpus.kind.startswith("asvspoof2021") or "subset" not in corpus.table.columns:
        return []
    present = set(corpus.table["subset"].unique().to_list())
    return [subset for subset in _SUBSETS_2021 if subset not in present]


def _settle_missing(joined: pl.DataFrame, allowed: bool) -> list[str]:
    """Warnings of utterances without a score and without a reason, or a refusal."""
    missing = joined.filter(pl.col("score").is_null() & pl.col("error").is_null())
    if missing.is_empty():
        return []
    message = f"{len(missing):,} of {len(joined):,} utterances have no score: {_name(missing)}"
    if not allowed:
        remedy = "score the whole partition, or --allow-missing to judge a part"
        raise ScoreError(message, wanted="a score for every utterance", remedy=remedy)
    return [f"{message}; these figures do not compare with those of the whole"]


def _refuse_disagreement(scores: ScoreTable, joined: pl.DataFrame) -> None:
    """A score file of the 2019 form has labels too: they must be the corpus's."""
    if scores.trials is None:
        return
    own = scores.trials.select("utterance", attack_in_file="attack", label_in_file="label")
    both = joined.join(own, on="utterance", how="inner", maintain_order="left")
    other_attack = (pl.col("attack") != pl.col("attack_in_file")).fill_null(False)
    differ = both.filter((pl.col("label") != pl.col("label_in_file")) | other_attack)
    if not differ.is_empty():
        first = differ.row(0, named=True)
        raise ScoreError(
            f"{len(differ):,} trials are labelled otherwise in the score file: {_name(differ)}; "
            f"{first['utterance']} is {first['attack_in_file']} {first['label_in_file']} there "
            f"and {first['attack']} {first['label']} in the protocol",
            wanted="the same attack and key in both",
        )


def _refuse_useless(scored: pl.DataFrame) -> None:
    """No figure can be drawn from one class or from one score."""
    for label in Label:
        if not (scored["label"] == label.value).any():
            raise ScoreError(f"no scored {label.value} trials among {len(scored):,}", wanted="trials of both classes")
    if scored["score"].n_unique() == 1:
        raise ScoreError(
            f"all {len(scored):,} scores are {scored['score'][0]:g}: {_name(scored)}",
            wanted="scores that differ",
            remedy="check the model: it answers the same to everything",
        )


def _name(rows: pl.DataFrame) -> str:
    return name_some(rows["utterance"])


def _share(rows: pl.DataFrame, corpus: Corpus) -> str:
    return f"{len(rows):,} of {len(corpus.table):,} utterances"
