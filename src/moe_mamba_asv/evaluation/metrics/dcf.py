"""The detection cost of a countermeasure alone: at its best threshold, and at the one that its scores ask for."""

import math
from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.metrics.cllr import checked_llrs
from moe_mamba_asv.evaluation.metrics.det import DetSteps


@dataclass(frozen=True)
class DcfCosts:
    """What errors cost, and how common spoofs are where the countermeasure shall stand.

    Attributes:
        p_spoof: prior probability of a spoofed trial, between 0 and 1.
        c_miss: cost of a rejected bona fide trial.
        c_fa: cost of an accepted spoofed trial.

    Raises:
        ConfigError: a prior outside (0, 1), or a cost that is not above zero.
    """

    p_spoof: float
    c_miss: float
    c_fa: float

    def __post_init__(self) -> None:
        if not (0 < self.p_spoof < 1 and 0 < self.c_miss < math.inf and 0 < self.c_fa < math.inf):
            raise ConfigError(f"{self}", wanted="0 < p_spoof < 1 and costs above zero")

    @property
    def miss_weight(self) -> float:
        """``c_miss (1 - p_spoof)``: also the cost of a system that rejects everything."""
        return self.c_miss * (1 - self.p_spoof)

    @property
    def fa_weight(self) -> float:
        """``c_fa p_spoof``: also the cost of a system that accepts everything."""
        return self.c_fa * self.p_spoof

    @property
    def bayes_threshold(self) -> float:
        """The log-likelihood ratio above which accepting is the cheaper choice: ``ln(fa_weight / miss_weight)``."""
        return math.log(self.fa_weight / self.miss_weight)


#: Of Track 1 of ASVspoof 5; its Bayes threshold is -ln 1.9.
ASVSPOOF5_TRACK1 = DcfCosts(p_spoof=0.05, c_miss=1.0, c_fa=10.0)


def min_dcf(steps: DetSteps, costs: DcfCosts = ASVSPOOF5_TRACK1) -> float:
    """Minimum of the normalised detection cost over all thresholds; 1 is a countermeasure of no use.

    ``DCF(t) = c_miss (1 - p_spoof) P_miss(t) + c_fa p_spoof P_fa(t)``, divided by the cheaper of the two systems that
    need no audio: ``min(c_miss (1 - p_spoof), c_fa p_spoof)``. Tied trials move together.

    Args:
        steps: counted DET steps.
        costs: which application is meant; values under different costs do not compare.

    Source: the ASVspoof 5 evaluation plan, 2024 (primary metric of Track 1); Doddington et al., The NIST speaker
    recognition evaluation, Speech Communication 2000.

    Examples:
        Steps (0, 1) (0, 1/2) (1/2, 1/2) (1/2, 0) (1, 0) cost .5 .25 .725 .475 .95; .25 over .5 is one half.

        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> min_dcf(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 1.0])))
        0.5
    """
    return float(np.min(_normalised(steps.p_miss, steps.p_fa, costs)))


def act_dcf(llr_bonafide: np.ndarray, llr_spoof: np.ndarray, costs: DcfCosts = ASVSPOOF5_TRACK1) -> float:
    """The normalised detection cost at the Bayes threshold: what the scores cost if taken at their word.

    As `min_dcf`, with the one threshold ``ln(c_fa p_spoof / (c_miss (1 - p_spoof)))`` that is right for calibrated
    log-likelihood ratios. Never below `min_dcf`; the difference is what miscalibration costs. A ratio exactly on the
    threshold is rejected, as everywhere here; the script of the organisers accepts it.

    Args:
        llr_bonafide: natural log-likelihood ratios of bona fide trials [bonafide].
        llr_spoof: of spoofed trials [spoof].
        costs: which application is meant.

    Raises:
        ScoreError: a class without trials, or a NaN.

    Source: the ASVspoof 5 evaluation plan, 2024; Brümmer and du Preez, as for `cllr`.

    Examples:
        The threshold is -.64: no miss, and one of two spoofs accepted.

        >>> act_dcf(np.array([0.0, 2.0]), np.array([-1.0, 1.0]))
        0.5
    """
    bonafide, spoof = checked_llrs(llr_bonafide, "bona fide"), checked_llrs(llr_spoof, "spoofed")
    threshold = costs.bayes_threshold
    return float(_normalised(np.mean(bonafide <= threshold), np.mean(spoof > threshold), costs))


def _normalised(p_miss: np.ndarray | np.floating, p_fa: np.ndarray | np.floating, costs: DcfCosts) -> np.ndarray:
    cost = costs.miss_weight * p_miss + costs.fa_weight * p_fa
    return np.asarray(cost / min(costs.miss_weight, costs.fa_weight))
