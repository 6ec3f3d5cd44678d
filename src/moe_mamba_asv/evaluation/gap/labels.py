"""What the labels of dev and of eval have in common, and what they cannot tell apart."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.tables.axes import NOT_GIVEN
from moe_mamba_asv.scores import name_some

#: Columns that tell the channel; the first that eval has is read.
CHANNEL_COLUMNS = ("codec", "compression", "channel")
#: What they call speech that no codec touched, which is what a dev set without such a column is taken to be.
UNCODED = ("none", "nocodec", "clean")
#: Eval attacks of ASVspoof 2019 and 2021 that are a training algorithm under another id: Wang et al., ASVspoof 2019: a
#: large-scale public database of synthesized, converted and replayed speech, Computer Speech and Language 2020.
_REPEATED_2019 = {"A16": "A04", "A19": "A06"}
_FAMILY_2019 = "asvspoof2019-la"
#: Shares of an attack on dev and on eval that differ by more make another mix.
_SAME_MIX = 0.05


def find_same_attacks(dev: Trials, evaluation: Trials) -> dict[str, str]:
    """Id on dev by id on eval of the attacks that are known to be one algorithm.

    They are if the ids are equal and both corpora of one family, in which ids mean the same; and as is published of
    ASVspoof 2019.
    """
    family = _family(dev.corpus)
    if family != _family(evaluation.corpus):
        return {}
    pairs = {name: name for name in evaluation.attack_names}
    if family == _FAMILY_2019:
        pairs |= {theirs: ours for theirs, ours in _REPEATED_2019.items() if theirs in pairs}
    return {theirs: ours for theirs, ours in pairs.items() if ours in dev.attack_names}


def checked_same_attacks(pairs: Mapping[str, str], dev: Trials, evaluation: Trials) -> dict[str, str]:
    """The pairs that somebody states, by id on eval.

    Raises:
        ConfigError: an attack that is not there.
    """
    for names, trials in ((pairs.keys(), evaluation), (pairs.values(), dev)):
        absent = sorted(set(names) - set(trials.attack_names))
        if absent:
            there = name_some(trials.attack_names, 20)
            raise ConfigError(f"{trials.corpus} has no attack {name_some(absent)}", wanted=f"of {there}")
    return dict(pairs)


def are(trials: Trials, attacks: Iterable[str]) -> np.ndarray:
    """Which trials are of some attacks: bool [trials]."""
    return np.isin(trials.attack, [trials.attack_names.index(name) for name in attacks])


def channel_column(evaluation: Trials) -> str | None:
    """The column of eval that tells the channel, if one does."""
    return next((name for name in CHANNEL_COLUMNS if name in evaluation.frame.columns), None)


def in_channels_of(dev: Trials, evaluation: Trials, column: str) -> np.ndarray:
    """Which trials of eval came through a channel that dev has too: bool [trials]."""
    levels = _levels(dev, column).unique().to_list() if column in dev.frame.columns else list(UNCODED)
    return _levels(evaluation, column).is_in(levels).to_numpy()


def refuse_mixture(dev: Trials, evaluation: Trials) -> None:
    """Stop where a difference would not be one between two sets.

    Raises:
        ScoreError: two systems, or trials that are on both sides.
    """
    if dev.system and evaluation.system and dev.system != evaluation.system:
        raise ScoreError(f"dev scored by {dev.system}, eval by {evaluation.system}", wanted="one system")
    if dev.corpus == evaluation.corpus and "utterance" in dev.frame.columns:
        both = dev.frame.join(evaluation.frame, on="utterance", how="semi")["utterance"]
        if not both.is_empty():
            raise ScoreError(f"{len(both):,} trials are on dev and on eval: {name_some(both)}", wanted="two sets")


def not_separated(dev: Trials, evaluation: Trials, same: Mapping[str, str], *, channel: bool) -> Iterator[str]:
    """What the chain of a gap cannot tell apart, a sentence each.

    Args:
        dev: as for the gap.
        evaluation: likewise.
        same: id on dev by id on eval of the attacks that both have.
        channel: whether the channel is told apart.
    """
    if not same:
        yield "no attack is known to be on dev and on eval: speakers, channel and attacks change at once"
        return
    yield "what is new in the recordings of eval (texts, sessions, microphones) counts as speakers"
    if not channel:
        yield "no column tells which trials of eval came through the channels of dev: the channel counts as speakers"
    if len(evaluation.attack_names) > len(same):
        yield "attacks are added in all channels: what they do together with a channel counts as attacks"
    shared = _shared_speakers(dev, evaluation)
    if shared is None:
        yield "speakers are not told: whether they are others on eval is not known"
    elif shared:
        yield f"speakers that are on dev and on eval: {shared:,}; with others the step of speakers may be larger"
    if _largest_difference_of_shares(dev, evaluation, same) > _SAME_MIX:
        yield "the attacks that both have come in other shares on eval: that counts as speakers"


def _family(corpus: str) -> str:
    return _FAMILY_2019 if corpus.startswith("asvspoof2021") else corpus


def _levels(trials: Trials, column: str) -> pl.Series:
    return trials.frame[column].cast(pl.String).fill_null(NOT_GIVEN)


def _shared_speakers(dev: Trials, evaluation: Trials) -> int | None:
    speakers = []
    for trials in (dev, evaluation):
        named = trials.frame["speaker"].drop_nulls().unique().to_list() if "speaker" in trials.frame.columns else []
        if not named:
            return None
        speakers.append(set(named))
    return len(speakers[0] & speakers[1]) if _family(dev.corpus) == _family(evaluation.corpus) else 0


def _largest_difference_of_shares(dev: Trials, evaluation: Trials, same: Mapping[str, str]) -> float:
    """Between dev and eval, over the attacks that both have; several of eval may be one of dev."""
    on_dev, on_eval = are(dev, same.values()).sum(), are(evaluation, same).sum()
    return max(
        abs(
            are(dev, [ours]).sum() / on_dev
            - are(evaluation, [theirs for theirs, of in same.items() if of == ours]).sum() / on_eval
        )
        for ours in set(same.values())
    )
