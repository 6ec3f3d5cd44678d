"""What one attack costs: the pooled figures if it were easier, if it were absent, and its share of the errors."""

from collections.abc import Mapping

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.evaluation.metrics.points import point_values
from moe_mamba_asv.evaluation.result import AttackShare, Pooled, WhatIf


def what_if(trials: Trials, wanted_eers: Mapping[str, float], *, asv: AsvScores | None = None) -> WhatIf:
    """Pooled figures if attacks had other EERs, all other trials staying as they are.

    An attack's EER becomes x by adding one number to all of its scores, which keeps their shape: with the bona fide
    scores as they are, that moves its upper x-quantile onto the lower x-quantile of bona fide.

    Args:
        trials: of one system.
        wanted_eers: fraction by attack id.
        asv: for the t-DCF; without it there is none.

    Raises:
        ConfigError: no such attack, or an EER outside (0, 0.5].
    """
    score = trials.score.copy()
    reached: dict[str, float] = {}
    for name, wanted in wanted_eers.items():
        if name not in trials.attack_names:
            raise ConfigError(f"attack {name!r}", wanted=f"one of {', '.join(trials.attack_names)}")
        if not 0 < wanted <= 0.5:
            raise ConfigError(f"an EER of {wanted:g} for {name}", wanted="a fraction in (0, 0.5], such as 0.05")
        rows = trials.attack == trials.attack_names.index(name)
        score[rows] += shift_to_eer(trials.bonafide_scores, score[rows], wanted)
        reached[name] = equal_error_rate(trials.bonafide_scores, score[rows]).value
    now, then = (_pooled(trials.bonafide_scores, of[~trials.is_bonafide], asv) for of in (trials.score, score))
    return WhatIf(attacks=reached, now=now, then=then)


def shift_to_eer(bonafide: np.ndarray, spoof: np.ndarray, wanted: float) -> float:
    """The number that, added to all spoofed scores, makes the EER against these bona fide scores the wanted one.

    The EER rises with the number in steps of one trial; of all numbers that come equally close the middle is taken.

    Args:
        bonafide: scores [bonafide].
        spoof: scores [spoof].
        wanted: fraction, in (0, 0.5].
    """
    low = float(bonafide.min() - spoof.max()) - 1.0  # nothing is accepted there
    high = float(bonafide.max() - spoof.min()) + 1.0
    ends = []
    for strict in (False, True):
        below, above = low, high
        while above - below > 1e-12 * max(1.0, abs(low), abs(high)):
            middle = (below + above) / 2
            eer = equal_error_rate(bonafide, spoof + middle).value
            if eer > wanted or (strict and eer == wanted):
                above = middle
            else:
                below = middle
        ends.append((below + above) / 2)
    return sum(ends) / 2


def without_each_attack(trials: Trials, *, asv: AsvScores | None = None) -> dict[str, Pooled]:
    """Pooled figures with one attack left out, by its id; an attack that is the only one has none."""
    figures = {}
    for number, name in enumerate(trials.attack_names):
        rest = trials.score[~trials.is_bonafide & (trials.attack != number)]
        if rest.size:
            figures[name] = _pooled(trials.bonafide_scores, rest, asv)
    return figures


def shares_of_errors(trials: Trials) -> dict[str, AttackShare]:
    """Of the spoofed trials that are accepted at the threshold of the pooled EER, how many are each attack's."""
    threshold = equal_error_rate(trials.bonafide_scores, trials.spoof_scores).threshold
    accepted = trials.score > threshold
    total = int((accepted & ~trials.is_bonafide).sum())
    spoofed = int((~trials.is_bonafide).sum())
    shares = {}
    for number, name in enumerate(trials.attack_names):
        rows = trials.attack == number
        wrong = int((accepted & rows).sum())
        shares[name] = AttackShare(
            accepted=wrong,
            n=int(rows.sum()),
            share_of_errors=wrong / total if total else 0.0,
            share_of_trials=int(rows.sum()) / spoofed,
        )
    return shares


def _pooled(bonafide: np.ndarray, spoof: np.ndarray, asv: AsvScores | None) -> Pooled:
    if asv is None:
        return Pooled(eer=equal_error_rate(bonafide, spoof).value, min_tdcf_2019=None, min_tdcf_2021=None)
    eer, legacy, revised = point_values(bonafide, spoof, asv.operating_point)
    return Pooled(eer=eer.value, min_tdcf_2019=legacy, min_tdcf_2021=revised)
