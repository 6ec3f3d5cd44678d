"""What may be wrong with a score file, said before anybody believes its figures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import polars as pl

from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.faults.file_order import NEAR_CHANCE_EER, find_other_order
from moe_mamba_asv.evaluation.join import Trials, join
from moe_mamba_asv.evaluation.metrics.deciding import deciding_steps
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.scores import ScoreTable, name_some
from moe_mamba_asv.types import Corpus

FaultKind = Literal[
    "duplicates",
    "not finite",
    "missing",
    "wrong split",
    "wrong ASV scores",
    "constant",
    "quantised",
    "saturated",
    "reversed",
    "useless",
    "shuffled",
]

#: One in a thousand, one-sided: how seldom scores without any skill are called reversed.
_REVERSED_Z = NormalDist().inv_cdf(0.999)
_CONSTANT_SHARE = 0.9
_FEW_VALUES = 100
#: Scores tied at the threshold leave the EER open by this much (fraction).
_OPEN_EER = 0.005
_MIN_TIED = 5
_SATURATED_SHARE = 0.05
_PARTITION_OF_LETTER = {"T": "train", "D": "dev", "E": "eval"}
#: Published sizes, by corpus and partition, without cuts.
_PUBLISHED_TRIALS = {
    ("asvspoof2019-la", "train"): 25_380,
    ("asvspoof2019-la", "dev"): 24_844,
    ("asvspoof2019-la", "eval"): 71_237,
    ("in-the-wild", "eval"): 31_779,
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, or probably so.

    Attributes:
        kind: what it is, in a word.
        severity: ``error``: the figures are not those of the system; ``warning``: they are, but doubtful.
        message: what was found, with numbers and ids.
        remedy: what to do about it.
    """

    kind: FaultKind
    severity: Literal["error", "warning"]
    message: str
    remedy: str


def join_what_fits(scores: ScoreTable, corpus: Corpus) -> Trials:
    """Join the part of a faulty score file that can be joined, for `find_faults` to look at.

    Of duplicates the first stays; scores that are not finite, foreign or absent are left out.

    Raises:
        ScoreError: nothing fits, or all that does is of one class or one score.
    """
    sound = pl.col("error").is_not_null() | pl.col("score").is_finite().fill_null(False)
    frame = scores.frame.filter(sound).unique("utterance", keep="first", maintain_order=True)
    return join(ScoreTable(frame, scores.header), corpus, allow_missing=True, allow_extra=True)


def find_faults(
    trials: Trials, *, scores: ScoreTable, asv: AsvScores | None = None, corpus: Corpus | None = None
) -> tuple[Fault, ...]:
    """Name what is wrong with a score file, errors first.

    Args:
        trials: joined from ``scores``, by `join` or, where that refuses, by `join_what_fits`.
        scores: the file as it was read, in its own order.
        asv: ASV scores that a t-DCF would take.
        corpus: what ``trials`` were joined with; without it, missing trials are told by the published size only.

    Returns:
        Nothing found is an empty tuple, not a proof of health: see `find_other_order` for what cannot be told.
    """
    faults = [*_of_rows(trials, scores, corpus), *_of_split(trials, scores), *_of_asv(trials, asv)]
    faults += [*_of_values(trials), *_of_skill(trials, scores)]
    return tuple(sorted(faults, key=lambda fault: fault.severity != "error"))


def _of_rows(trials: Trials, scores: ScoreTable, corpus: Corpus | None) -> Iterator[Fault]:
    twice = scores.frame.filter(pl.col("utterance").is_duplicated())["utterance"].unique(maintain_order=True)
    if len(twice):
        message = f"{len(twice):,} utterances are scored more than once: {name_some(twice)}"
        yield Fault("duplicates", "error", message, "write each utterance once; look for a run that was appended to")
    bad = scores.scored.filter(~pl.col("score").is_finite().fill_null(False))["utterance"]
    if len(bad):
        message = f"{len(bad):,} scores are NaN, infinite or absent: {name_some(bad)}"
        yield Fault("not finite", "error", message, "find the layer that overflows, or score in float32")
    labels = corpus.table if corpus else trials.frame
    absent = labels.join(scores.frame, on="utterance", how="anti", maintain_order="left")["utterance"]
    cut = trials.corpus, trials.partition or ""
    judged = len(trials.score) + len(trials.failed)
    whole = len(labels) if corpus else max(judged, _PUBLISHED_TRIALS.get(cut, 0))
    missing = len(absent) or (0 if corpus else whole - judged)
    if missing:
        message = f"{missing:,} of {whole:,} trials of {' '.join(cut).strip()} have no score"
        message += f": {name_some(absent)}" if len(absent) else ""
        yield Fault("missing", "error", message, "score the whole partition; look for a run that ended early")


def _of_split(trials: Trials, scores: ScoreTable) -> Iterator[Fault]:
    """Ids of ASVspoof tell their partition, and ids of one source look alike."""
    letters = trials.frame["utterance"].str.extract(r"^[A-Z]{2}_([TDE])_\d+$")
    told = {_PARTITION_OF_LETTER[letter] for letter in letters.drop_nulls().unique()}
    # The training data of ASVspoof 2021 is that of 2019; its own ids are all of the evaluation.
    if trials.partition and told and not told <= set(trials.partition.split("+")):
        message = f"the ids are of {' and '.join(sorted(told))}, the partition is called {trials.partition}"
        yield Fault("wrong split", "error", message, "the protocol of the partition that was scored")
    foreign = scores.frame.join(trials.frame, on="utterance", how="anti", maintain_order="left")
    foreign = foreign.join(trials.failed, on="utterance", how="anti", maintain_order="left")["utterance"]
    families = {_family(name) for name in trials.frame["utterance"]}
    strangers = [name for name in foreign if _family(name) not in families]
    if strangers:
        message = f"{len(strangers):,} of {len(scores.frame):,} scored utterances are of another source than "
        message += f"{trials.frame['utterance'][0]}: {name_some(strangers)}"
        yield Fault("wrong split", "error", message, "the score file of this corpus and partition alone")


def _family(utterance: str) -> str:
    """What ids of one source share: all but their numbers."""
    return re.sub(r"\d+", "#", utterance)


def _of_asv(trials: Trials, asv: AsvScores | None) -> Iterator[Fault]:
    if asv is None or not trials.attack_names:
        return
    remedy = "the organisers' ASV scores of the same corpus and partition"
    strangers = [name for name in trials.attack_names if name not in asv.attack_counts]
    if strangers:
        there = name_some(list(asv.attack_counts), 3)
        message = f"{asv.source.name} has the attacks {there} but not {name_some(strangers)}: t-DCF would be wrong"
        yield Fault("wrong ASV scores", "error", message, remedy)
        return
    here = {name: int((trials.attack == code).sum()) for code, name in enumerate(trials.attack_names)}
    differ = [f"{name} {n:,} for {here.get(name, 0):,}" for name, n in asv.attack_counts.items() if here.get(name) != n]
    if differ:
        message = f"{asv.source.name} has other numbers of spoofed trials than the countermeasure: {name_some(differ)}"
        yield Fault("wrong ASV scores", "warning", message, remedy)


def _of_values(trials: Trials) -> Iterator[Fault]:
    values, counts = np.unique(trials.score, return_counts=True)
    total, remedy = len(trials.score), "write the logit or its log-odds, with all its digits"
    most = int(np.argmax(counts))
    if counts[most] > _CONSTANT_SHARE * total:
        message = f"{counts[most] / total:.1%} of {total:,} scores are {values[most]:g}"
        yield Fault("constant", "error", message, "check the model: it answers the same to nearly everything")
        return
    tied, open_eer = _tied_at_threshold(trials)
    few = len(values) <= _FEW_VALUES and len(values) < total / 10
    if few or open_eer:
        message = f"{len(values):,} distinct scores for {total:,} trials"
        message += f"; {tied:,} trials tied at the threshold leave the EER open by {open_eer:.2%}" if open_eer else ""
        yield Fault("quantised", "warning", message, remedy)
    ends = int(counts[0] + counts[-1])
    if len(values) > 2 and max(counts[0], counts[-1]) > _SATURATED_SHARE * total and ends > _MIN_TIED:
        message = f"{ends:,} of {total:,} scores are exactly {values[0]:g} or {values[-1]:g}, the ends of the scale"
        yield Fault("saturated", "warning", message, remedy)


def _tied_at_threshold(trials: Trials) -> tuple[int, float]:
    """How many trials move together at the EER, and by how much that leaves it open; zeros where it does not."""
    steps = deciding_steps(trials.bonafide_scores, trials.spoof_scores)
    imbalance = steps.misses * steps.spoof - steps.false_alarms * steps.bonafide
    step = int(np.searchsorted(imbalance, 0))
    missed = int(steps.misses[step] - steps.misses[step - 1])
    accepted = int(steps.false_alarms[step - 1] - steps.false_alarms[step])
    open_eer = max(missed / steps.bonafide, accepted / steps.spoof)
    if missed + accepted < _MIN_TIED or open_eer < _OPEN_EER:
        return 0, 0.0
    return missed + accepted, open_eer


def _of_skill(trials: Trials, scores: ScoreTable) -> Iterator[Fault]:
    """Shuffled, reversed or simply useless; at most one of them."""
    eer = equal_error_rate(trials.bonafide_scores, trials.spoof_scores).value
    other = find_other_order(trials, scores)
    if other:
        shift = f", shifted by {other.shift_rows} rows" if other.shift_rows else ""
        message = f"EER {eer:.2%}, but {other.eer:.2%} with the scores in {other.name}{shift}: "
        message += f"ids and scores are not of the same rows ({other.z:.0f} standard deviations)"
        yield Fault("shuffled", "error", message, "write each score beside the id that came with its sound")
    elif _is_reversed(trials, eer):
        message = f"EER {eer:.2%} is above 50 %, further than chance goes: higher scores go to spoofed speech"
        yield Fault("reversed", "error", message, "write the score of bona fide, or its negative: higher = bona fide")
    elif eer >= NEAR_CHANCE_EER:
        message = f"EER {eer:.2%} is near chance in every order of rows that was tried"
        yield Fault("useless", "warning", message, "check checkpoint, sampling rate and label order of the model")


def _is_reversed(trials: Trials, eer: float) -> bool:
    """Whether an EER is above one half by more than scores without skill would reach.

    The standard error at one half follows from the binomial ones of the two error rates, whose mean the EER is where
    they cross (Bengio and Mariéthoz, 2004).
    """
    error = np.sqrt(0.25 * (1 / len(trials.bonafide_scores) + 1 / len(trials.spoof_scores))) / 2
    return bool(eer > 0.5 + _REVERSED_Z * error)
