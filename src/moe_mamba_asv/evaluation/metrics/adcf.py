"""Minimum architecture-agnostic detection cost: one score that shall accept targets and nobody else."""

import math
from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.metrics.det import det_steps


@dataclass(frozen=True)
class AdcfCosts:
    """What errors cost and how common each kind of trial is.

    The defaults are the first configuration of the a-DCF paper, which the evaluation package of ASVspoof 5 uses for
    Track 2: an accepted spoof costs twice as much as an accepted impostor. They are not those of the t-DCF.

    Attributes:
        p_target: prior probability of the claimed speaker, bona fide.
        p_nontarget: of another speaker, bona fide (a zero-effort impostor).
        p_spoof: of a spoofing attack.
        c_miss: cost of a rejected target.
        c_fa_nontarget: cost of an accepted impostor.
        c_fa_spoof: cost of an accepted spoof.

    Raises:
        ConfigError: priors that do not sum to 1, or a prior or a cost that is not above zero.
    """

    p_target: float = 0.9
    p_nontarget: float = 0.05
    p_spoof: float = 0.05
    c_miss: float = 1.0
    c_fa_nontarget: float = 10.0
    c_fa_spoof: float = 20.0

    def __post_init__(self) -> None:
        priors = (self.p_target, self.p_nontarget, self.p_spoof)
        costs = (self.c_miss, self.c_fa_nontarget, self.c_fa_spoof)
        if not (all(0 < value < math.inf for value in priors + costs) and math.isclose(sum(priors), 1)):
            raise ConfigError(f"{self}", wanted="priors above zero that sum to 1, and costs above zero")


#: Of Track 2 of ASVspoof 5; "a-DCF 1" of the paper.
ASVSPOOF5_TRACK2 = AdcfCosts()


@dataclass(frozen=True)
class TrinarySteps:
    """Errors of a score that shall accept targets, at every threshold that makes a difference.

    As `DetSteps`, with false alarms of two kinds; trials that share a score move together. All arrays are [steps].

    Attributes:
        thresholds: ascending; a step accepts ``score > threshold``; the first accepts all.
        p_miss: fraction of targets rejected, from 0 to 1.
        p_fa_nontarget: fraction of impostors accepted, from 1 to 0.
        p_fa_spoof: fraction of spoofed trials accepted, from 1 to 0.
    """

    thresholds: np.ndarray
    p_miss: np.ndarray
    p_fa_nontarget: np.ndarray
    p_fa_spoof: np.ndarray


def trinary_steps(target: np.ndarray, nontarget: np.ndarray, spoof: np.ndarray) -> TrinarySteps:
    """Count the errors at every distinct score of the three kinds of trial.

    Args:
        target: scores of targets [target], in any order.
        nontarget: of zero-effort impostors [nontarget].
        spoof: of spoofed trials [spoof].

    Raises:
        ScoreError: a kind of trial is absent, or scores that are not finite.
    """
    for which, scores in (("target", target), ("nontarget", nontarget), ("spoof", spoof)):
        if np.size(scores) == 0:
            raise ScoreError(f"no {which} trials", wanted="target, nontarget and spoof trials")
        if not np.isfinite(scores).all():
            raise ScoreError(f"{int((~np.isfinite(scores)).sum()):,} {which} scores are not finite", wanted="numbers")
    steps = det_steps(target, np.concatenate([nontarget, spoof]))
    return TrinarySteps(
        thresholds=steps.thresholds,
        p_miss=steps.p_miss,
        p_fa_nontarget=_fraction_above(nontarget, steps.thresholds),
        p_fa_spoof=_fraction_above(spoof, steps.thresholds),
    )


def min_adcf(steps: TrinarySteps, costs: AdcfCosts = ASVSPOOF5_TRACK2) -> float:
    """Minimum of the normalised a-DCF over all thresholds; 1 is a system of no use.

    ``a-DCF(t) = c_miss p_target P_miss(t) + c_fa_nontarget p_nontarget P_fa,nontarget(t) + c_fa_spoof p_spoof
    P_fa,spoof(t)``, divided by the cheaper of rejecting everything (``c_miss p_target``) and accepting everything
    (``c_fa_nontarget p_nontarget + c_fa_spoof p_spoof``). Tied trials move together.

    Args:
        steps: of `trinary_steps`.
        costs: which application is meant; values under different costs do not compare.

    Source: Shim et al., a-DCF: an architecture agnostic metric with application to spoofing-robust speaker
    verification, Odyssey 2024.

    Examples:
        The threshold 1 accepts one spoof of two and costs 20 x .05 / 2 = .5, the threshold 3 rejects one target of two
        and costs .9 / 2 = .45, the least. Rejecting everything costs .9.

        >>> steps = trinary_steps(np.array([2.0, 4.0]), np.array([0.0]), np.array([1.0, 3.0]))
        >>> round(min_adcf(steps), 6)
        0.5
    """
    miss = costs.c_miss * costs.p_target
    nontarget, spoof = costs.c_fa_nontarget * costs.p_nontarget, costs.c_fa_spoof * costs.p_spoof
    cost = miss * steps.p_miss + nontarget * steps.p_fa_nontarget + spoof * steps.p_fa_spoof
    return float(np.min(cost) / min(miss, nontarget + spoof))


def _fraction_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return (scores.size - np.searchsorted(np.sort(scores), thresholds, side="right")) / scores.size
