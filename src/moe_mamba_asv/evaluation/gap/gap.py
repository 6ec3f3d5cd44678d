"""The generalisation gap: how much worse a system is on eval than on dev, and of what that is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from moe_mamba_asv.evaluation.comparison.significance import CONFIDENCE, two_sided_p
from moe_mamba_asv.evaluation.gap.labels import (
    are,
    channel_column,
    checked_same_attacks,
    find_same_attacks,
    in_channels_of,
    not_separated,
    refuse_mixture,
)
from moe_mamba_asv.evaluation.gap.result import Gap, Shift, ShiftName, Side, Step
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.bootstrap import interval, stratified_bootstrap
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate


@dataclass(frozen=True)
class _Judged:
    """A side, the trials that it is made of, and the EERs of its resamples [replicates]."""

    side: Side
    trials: Trials
    rows: np.ndarray
    replicates: np.ndarray | None

    def has_the_trials_of(self, other: "_Judged") -> bool:
        return self.trials is other.trials and np.array_equal(self.rows, other.rows)


class _Between(TypedDict):
    before: Side
    after: Side
    value: float
    ci: tuple[float, float] | None
    p: float | None


def generalisation_gap(
    dev: Trials,
    evaluation: Trials,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    same_attacks: Mapping[str, str] | None = None,
) -> Gap:
    """Take the way from dev to eval in steps that change one thing at a time.

    With ``E(bona fide, spoof)`` the EER of some trials, the chain is

    1. ``E(dev, all attacks of dev)``
    2. ``E(dev, the attacks that eval has too)``: *attacks left out*
    3. ``E(eval, these attacks)``, both in the channels of dev only: *speakers*, the same attacks by other people
    4. ``E(eval, these attacks)``, in all channels: *channel*
    5. ``E(eval, all attacks of eval)``: *attacks added*, which are the unknown ones where dev is like training

    and each shift is the EER after its step minus that before it, so they add up to the whole gap. A step that would
    change no trial is left out. Without labels of channels, 3 is 4; without an attack that both have, all changes *at
    once*. Another order of the steps would share the gap out otherwise where things interact.

    Intervals are percentiles of a bootstrap over trials: dev and eval are resampled independently, groups of one of
    them with common bona fide trials jointly. The channels of dev are resampled apart from all of eval, which holds
    them: the intervals of *channel* are somewhat too wide.

    Args:
        dev: trials of the set that chose the model.
        evaluation: trials of the set that judges it.
        n_bootstrap: replicates; 0 leaves intervals and p-values out.
        seed: of the bootstrap.
        same_attacks: id on dev by id on eval of the attacks that are one algorithm. None: equal ids where both are of
            one family of corpora, and what is published of ASVspoof 2019.

    Raises:
        ScoreError: two systems, or trials that are on both sides.
        ConfigError: an attack in ``same_attacks`` that is not there.

    Source: the chain is ours; p-values as in `two_sided_p`.
    """
    refuse_mixture(dev, evaluation)
    same = find_same_attacks(dev, evaluation)
    if same_attacks is not None:
        same = checked_same_attacks(same_attacks, dev, evaluation)
    rng = np.random.default_rng(seed)
    dev_all, dev_same = _judge(dev, "dev", are(dev, same.values()), n_bootstrap, rng)
    eval_all, eval_same = _judge(evaluation, "eval", are(evaluation, same), n_bootstrap, rng)
    column = channel_column(evaluation) if same else None
    in_channel = None if column is None else _judge_in_channel(dev, evaluation, column, same, n_bootstrap, rng)
    links: Sequence[tuple[ShiftName, _Judged, _Judged]] = [("all at once", dev_all, eval_all)]
    if dev_same and eval_same:
        arrived = in_channel if in_channel and not in_channel.has_the_trials_of(eval_same) else eval_same
        links = [
            ("attacks left out", dev_all, dev_same),
            ("speakers", dev_same, arrived),
            ("channel", arrived, eval_same),
            ("attacks added", eval_same, eval_all),
        ]
    return Gap(
        system=evaluation.system or dev.system,
        corpora=(dev.corpus, evaluation.corpus),
        whole=Step(**_between(dev_all, eval_all)),
        known_to_unknown=known_to_unknown(evaluation, n_bootstrap, rng),
        chain=tuple(
            Shift(name=name, **_between(before, after))
            for name, before, after in links
            if not before.has_the_trials_of(after)
        ),
        same_attacks=same,
        channel=column if in_channel else None,
        not_separated=tuple(not_separated(dev, evaluation, same, channel=in_channel is not None)),
        confidence=CONFIDENCE,
        n_bootstrap=n_bootstrap,
        seed=seed,
        warnings=(*(f"dev: {text}" for text in dev.warnings), *(f"eval: {text}" for text in evaluation.warnings)),
    )


def _judge(
    trials: Trials, name: str, chosen: np.ndarray, n_bootstrap: int, rng: np.random.Generator
) -> tuple[_Judged, _Judged | None]:
    """All trials of a set, and its bona fide ones against the chosen spoofed ones if there are any; jointly drawn."""
    groups = {"same": chosen, "other": ~chosen & ~trials.is_bonafide}
    drawn = None
    if n_bootstrap:
        spoof = {group: trials.score[rows] for group, rows in groups.items() if rows.any()}
        drawn = stratified_bootstrap(trials.bonafide_scores, spoof, replicates=n_bootstrap, rng=rng, dcf=None)
    whole = _judged(trials, f"{name}, all trials", np.ones_like(chosen), drawn and drawn.of("eer"))
    if not chosen.any():
        return whole, None
    what = f"{name}, attacks that both have"
    return whole, _judged(trials, what, chosen | trials.is_bonafide, drawn and drawn.of("eer", "same"))


def _judge_in_channel(
    dev: Trials,
    evaluation: Trials,
    column: str,
    same: Mapping[str, str],
    n_bootstrap: int,
    rng: np.random.Generator,
) -> _Judged | None:
    """Trials of eval that came through a channel of dev; None where there are not both classes of them."""
    there = in_channels_of(dev, evaluation, column)
    bonafide, spoof = there & evaluation.is_bonafide, there & are(evaluation, same)
    if not bonafide.any() or not spoof.any():
        return None
    drawn = None
    if n_bootstrap:
        of_spoof = {"same": evaluation.score[spoof]}
        drawn = stratified_bootstrap(evaluation.score[bonafide], of_spoof, replicates=n_bootstrap, rng=rng, dcf=None)
    what = "eval, attacks that both have, in the channels of dev"
    return _judged(evaluation, what, bonafide | spoof, drawn and drawn.of("eer"))


def known_to_unknown(trials: Trials, n_bootstrap: int, rng: np.random.Generator) -> Step | None:
    """From the attacks of eval that the catalogue calls known to the others; None without either.

    Args:
        trials: of eval.
        n_bootstrap: replicates of the interval; 0 leaves it out.
        rng: of the bootstrap.
    """
    published = {name: trials.catalogue[name].known for name in trials.attack_names if name in trials.catalogue}
    known = are(trials, [name for name, is_known in published.items() if is_known])
    unknown = are(trials, [name for name, is_known in published.items() if not is_known])
    if not known.any() or not unknown.any():
        return None
    drawn = None
    if n_bootstrap:
        spoof = {"known": trials.score[known], "unknown": trials.score[unknown]}
        drawn = stratified_bootstrap(trials.bonafide_scores, spoof, replicates=n_bootstrap, rng=rng, dcf=None)
    before, after = (
        _judged(trials, f"eval, {name} attacks", rows | trials.is_bonafide, drawn and drawn.of("eer", name))
        for name, rows in (("known", known), ("unknown", unknown))
    )
    return Step(**_between(before, after))


def _judged(trials: Trials, what: str, rows: np.ndarray, replicates: np.ndarray | None) -> _Judged:
    bonafide, spoof = trials.score[rows & trials.is_bonafide], trials.score[rows & ~trials.is_bonafide]
    side = Side(
        what=what,
        n_bonafide=bonafide.size,
        n_spoof=spoof.size,
        eer=equal_error_rate(bonafide, spoof).value,
        eer_ci=None if replicates is None else interval(replicates, CONFIDENCE),
    )
    return _Judged(side, trials, rows, replicates)


def _between(before: _Judged, after: _Judged) -> _Between:
    ci = p = None
    if before.replicates is not None and after.replicates is not None:
        differences = after.replicates - before.replicates
        ci, p = interval(differences, CONFIDENCE), two_sided_p(differences)
    value = after.side.eer - before.side.eer
    return _Between(before=before.side, after=after.side, value=value, ci=ci, p=p)
