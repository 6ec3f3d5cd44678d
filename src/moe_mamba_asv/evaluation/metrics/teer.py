"""The tandem EER of a countermeasure (CM) and a speaker verification system (ASV) that must both accept."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.adcf import TrinarySteps, trinary_steps
from moe_mamba_asv.evaluation.metrics.det import DetSteps, det_steps

#: Differences of error rates below this are rounding, not trials.
ROUNDING = 1e-12


class PairedScores(NamedTuple):
    """Scores of the same trials by both systems, each [trials]: higher means same speaker, and bona fide."""

    asv: np.ndarray
    cm: np.ndarray


@dataclass(frozen=True)
class TandemSteps:
    """Both systems counted by themselves; the tandem's errors at any two thresholds are made of these.

    Attributes:
        asv: targets against impostors and spoofs.
        cm: targets and impostors together, as bona fide, against spoofs.
    """

    asv: TrinarySteps
    cm: DetSteps


@dataclass(frozen=True)
class ConcurrentTeer:
    """The point nearest to where all three errors of the tandem are equal; fractions.

    Attributes:
        value: the concurrent t-EER: mean of the three errors.
        asv_threshold: the ASV system accepts ``score > asv_threshold``.
        cm_threshold: likewise of the countermeasure.
        p_miss: targets that either system rejects.
        p_fa_nontarget: impostors that both accept.
        p_fa_spoof: spoofed trials that both accept.
    """

    value: float
    asv_threshold: float
    cm_threshold: float
    p_miss: float
    p_fa_nontarget: float
    p_fa_spoof: float

    @property
    def spread(self) -> float:
        """Greatest minus least of the three: as coarse as the trials are few; far above that, no such point exists."""
        errors = (self.p_miss, self.p_fa_nontarget, self.p_fa_spoof)
        return max(errors) - min(errors)


@dataclass(frozen=True)
class TeerPath:
    """The t-EER at each ASV threshold, for one share of spoofs; all arrays are [steps of the ASV system].

    Attributes:
        asv_thresholds: ascending.
        cm_thresholds: that make misses and false alarms of the tandem equal; NaN where none does.
        teer: fractions; NaN likewise.
    """

    asv_thresholds: np.ndarray
    cm_thresholds: np.ndarray
    teer: np.ndarray


def tandem_steps(target: PairedScores, nontarget: PairedScores, spoof: PairedScores) -> TandemSteps:
    """Count both systems of a tandem.

    Args:
        target: the claimed speaker, bona fide.
        nontarget: another speaker, bona fide.
        spoof: a spoofing attack.

    Raises:
        ScoreError: a kind of trial is absent, scores that are not finite, or two scores for a different number of
            trials.
    """
    for which, scores in (("target", target), ("nontarget", nontarget), ("spoof", spoof)):
        if np.shape(scores.asv) != np.shape(scores.cm):
            raise ScoreError(
                f"{np.size(scores.asv):,} ASV and {np.size(scores.cm):,} CM scores of {which} trials",
                wanted="one of each for every trial",
            )
    return TandemSteps(
        asv=trinary_steps(target.asv, nontarget.asv, spoof.asv),
        cm=det_steps(np.concatenate([target.cm, nontarget.cm]), spoof.cm),
    )


def concurrent_teer(steps: TandemSteps) -> ConcurrentTeer:
    """The t-EER that no share of spoofs can move: misses, accepted impostors and accepted spoofs all equal.

    The tandem accepts what both systems accept, and their errors are taken as independent within a kind of trial::

        P_miss         = 1 - (1 - P_miss,cm) (1 - P_miss,asv)
        P_fa,nontarget = (1 - P_miss,cm) P_fa,nontarget,asv
        P_fa,spoof     = P_fa,cm P_fa,spoof,asv

    The point lies on the t-EER path of every share of spoofs (see `teer_path`), so on those of the shares 0 and 1.
    At every ASV threshold, the CM steps on either side of both paths are found by bisection: misses only rise and
    false alarms only fall with the CM threshold. No grid is laid and no threshold left out. Of all these pairs the
    one with the least spread of the three errors is taken, and the value is their mean; of equal spreads the one with
    the lowest mean, then the lowest thresholds. Trials that share a score move together, so the order of trials
    cannot move a number.

    With few trials the three are equal only roughly. They also need not meet at all: an ASV system that itself keeps
    out spoofs better than impostors leaves the countermeasure nothing to do. Then the answer is the nearest point as
    described, and its `ConcurrentTeer.spread` says so. Where spoofs pass both systems exactly as impostors do, every
    point of the paths is one, and only chance selects among them.

    Args:
        steps: of `tandem_steps`.

    Source: Kinnunen et al., t-EER: parameter-free tandem evaluation of countermeasures and biometric comparators,
    IEEE TPAMI 2023. The organisers' script follows the path of the share 1/2, takes the point with the least
    difference of ``P_fa,nontarget,asv / P_fa,spoof,asv`` from ``P_fa,cm / (1 - P_miss,cm)``, and reports
    ``P_fa,spoof`` there; the two agree as far as the trials are fine enough.

    Examples:
        The CM rejects the only spoof and the ASV system the only impostor: nothing is left.

        >>> target, nontarget = PairedScores(np.array([1.0]), np.array([1.0])), PairedScores(np.zeros(1), np.ones(1))
        >>> concurrent_teer(tandem_steps(target, nontarget, PairedScores(np.ones(1), np.zeros(1)))).value
        0.0
    """
    after = np.concatenate([_first_cm_step_with_enough_misses(steps, share) for share in (0.0, 1.0)])
    cm = np.concatenate([np.maximum(after - 1, 0), after])
    asv = np.tile(np.arange(steps.asv.thresholds.size), 4)
    errors = np.stack(_errors(steps, asv, cm))
    spread, mean = errors.max(0) - errors.min(0), errors.mean(0)
    nearest = np.flatnonzero(spread <= spread.min() + ROUNDING)
    best = nearest[np.lexsort((cm[nearest], asv[nearest], np.round(mean[nearest] / ROUNDING)))[0]]
    p_miss, p_fa_nontarget, p_fa_spoof = errors[:, best].tolist()
    return ConcurrentTeer(
        value=float(mean[best]),
        asv_threshold=float(steps.asv.thresholds[asv[best]]),
        cm_threshold=float(steps.cm.thresholds[cm[best]]),
        p_miss=p_miss,
        p_fa_nontarget=p_fa_nontarget,
        p_fa_spoof=p_fa_spoof,
    )


def teer_path(steps: TandemSteps, *, p_spoof: float) -> TeerPath:
    """The t-EER at every ASV threshold, for a given share of spoofs among the trials that should be rejected.

    The CM threshold is that where ``P_miss`` is nearest to ``(1 - p_spoof) P_fa,nontarget + p_spoof P_fa,spoof`` (as
    in `concurrent_teer`), and the t-EER is the mean of the two there; of two equally near steps the one with more
    misses. Where the ASV system alone already misses more than it falsely accepts, no countermeasure can make them
    equal, and the answer is NaN.

    Args:
        steps: of `tandem_steps`.
        p_spoof: the share, rho in the paper, from 0 (impostors only) to 1 (spoofs only).

    Raises:
        ConfigError: a share outside [0, 1].

    Source: as for `concurrent_teer`.

    Examples:
        With a countermeasure that accepts everything and the impostors only, the last t-EER is the ASV system's EER.

        >>> target = PairedScores(np.array([0.0, 2.0]), np.ones(2))
        >>> nontarget, spoof = PairedScores(np.array([-1.0, 1.0]), np.ones(2)), PairedScores(np.ones(1), np.ones(1))
        >>> path = teer_path(tandem_steps(target, nontarget, spoof), p_spoof=0.0)
        >>> path.asv_thresholds[1:].tolist(), path.teer[1:].tolist()
        ([-1.0, 0.0, 1.0, 2.0], [0.25, 0.5, nan, nan])
    """
    if not 0 <= p_spoof <= 1:
        raise ConfigError(f"a share of spoofs of {p_spoof}", wanted="between 0 and 1")
    after = _first_cm_step_with_enough_misses(steps, p_spoof)
    before = np.maximum(after - 1, 0)
    gap_before, mean_before = _gap_and_mean(steps, before, p_spoof)
    gap_after, mean_after = _gap_and_mean(steps, after, p_spoof)
    before_is_nearer = gap_before < gap_after - ROUNDING
    asv_alone = (1 - p_spoof) * steps.asv.p_fa_nontarget + p_spoof * steps.asv.p_fa_spoof
    possible = steps.asv.p_miss <= asv_alone + ROUNDING
    return TeerPath(
        asv_thresholds=steps.asv.thresholds,
        cm_thresholds=np.where(possible, steps.cm.thresholds[np.where(before_is_nearer, before, after)], np.nan),
        teer=np.where(possible, np.where(before_is_nearer, mean_before, mean_after), np.nan),
    )


def _first_cm_step_with_enough_misses(steps: TandemSteps, p_spoof: float) -> np.ndarray:
    """Per ASV step, the first CM step with ``P_miss`` no smaller than ``P_fa``; int64 [steps of the ASV system]."""
    # P_miss >= P_fa, solved for what the CM passes: passed x bonafide_weight + P_fa,cm x spoof_weight <= 1.
    passed = 1 - steps.cm.p_miss
    bonafide_weight = 1 - steps.asv.p_miss + (1 - p_spoof) * steps.asv.p_fa_nontarget
    spoof_weight = p_spoof * steps.asv.p_fa_spoof
    low = np.zeros(bonafide_weight.size, dtype=np.int64)
    high = np.full_like(low, passed.size - 1)  # the last step passes nothing, so misses everything
    while (low < high).any():
        middle = (low + high) // 2
        enough = passed[middle] * bonafide_weight + steps.cm.p_fa[middle] * spoof_weight <= 1
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return low


def _errors(steps: TandemSteps, asv: np.ndarray, cm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    passed = 1 - steps.cm.p_miss[cm]
    p_miss = 1 - passed * (1 - steps.asv.p_miss[asv])
    return p_miss, passed * steps.asv.p_fa_nontarget[asv], steps.cm.p_fa[cm] * steps.asv.p_fa_spoof[asv]


def _gap_and_mean(steps: TandemSteps, cm: np.ndarray, p_spoof: float) -> tuple[np.ndarray, np.ndarray]:
    """How far misses and false alarms are apart, and their mean, with one CM step for every ASV step."""
    p_miss, p_fa_nontarget, p_fa_spoof = _errors(steps, np.arange(cm.size), cm)
    p_fa = (1 - p_spoof) * p_fa_nontarget + p_spoof * p_fa_spoof
    return np.abs(p_miss - p_fa), (p_miss + p_fa) / 2
