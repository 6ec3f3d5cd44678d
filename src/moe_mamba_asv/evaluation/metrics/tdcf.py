"""Minimum tandem detection cost of a countermeasure with a given speaker verification (ASV) system.

Two forms are in use and their values do not compare: the one of the 2019 challenge and the revised one of 2021.
"""

from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.det import DetSteps
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate

#: Priors of both forms: a spoofing attack, a target, a zero-effort impostor.
P_SPOOF = 0.05
P_TARGET = (1 - P_SPOOF) * 0.99
P_NONTARGET = (1 - P_SPOOF) * 0.01
#: Costs: of a rejected target, an accepted impostor, an accepted spoof; and those of 2019 for the countermeasure alone.
C_MISS, C_FA, C_FA_SPOOF = 1.0, 10.0, 10.0
C_MISS_CM, C_FA_CM = 1.0, 10.0


@dataclass(frozen=True)
class AsvOperatingPoint:
    """The errors of an ASV system at a fixed threshold, as fractions.

    Attributes:
        threshold: the ASV system accepts ``score >= threshold``.
        eer: its own EER, targets against zero-effort impostors.
        p_fa: impostors accepted.
        p_miss: targets rejected.
        p_miss_spoof: spoofed trials rejected by the ASV system itself.
    """

    threshold: float
    eer: float
    p_fa: float
    p_miss: float
    p_miss_spoof: float


def asv_operating_point(target: np.ndarray, nontarget: np.ndarray, spoof: np.ndarray) -> AsvOperatingPoint:
    """The ASV system at its own EER threshold.

    Args:
        target: ASV scores of targets [target].
        nontarget: of zero-effort impostors [nontarget].
        spoof: of spoofed trials [spoof].

    Raises:
        ScoreError: a kind of trial is absent, or scores that are not finite.

    Source: `obtain_asv_error_rates` of the organisers: the trial on the threshold is accepted.
    """
    if spoof.size == 0:
        raise ScoreError("no spoofed trials among the ASV scores", wanted="target, nontarget and spoof trials")
    eer, threshold = equal_error_rate(target, nontarget)
    return AsvOperatingPoint(
        threshold=threshold,
        eer=eer,
        p_fa=float(np.mean(nontarget >= threshold)),
        p_miss=float(np.mean(target < threshold)),
        p_miss_spoof=float(np.mean(spoof < threshold)),
    )


def tdcf_weights_2019(asv: AsvOperatingPoint) -> tuple[float, float]:
    """``C1`` and ``C2``: what a miss and a false alarm of the countermeasure cost in the 2019 form.

    Source: Kinnunen et al., t-DCF: a detection cost function for the tandem assessment of spoofing countermeasures
    and automatic speaker verification, Odyssey 2018; constants of the ASVspoof 2019 evaluation plan.
    """
    c1 = P_TARGET * (C_MISS_CM - C_MISS * asv.p_miss) - P_NONTARGET * C_FA * asv.p_fa
    c2 = C_FA_CM * P_SPOOF * (1 - asv.p_miss_spoof)
    return c1, c2


def tdcf_weights_2021(asv: AsvOperatingPoint) -> tuple[float, float, float]:
    """``C0``, ``C1`` and ``C2``: the cost of the ASV system alone, of a miss and of a false alarm in the 2021 form.

    Source: Kinnunen et al., Tandem assessment of spoofing countermeasures and automatic speaker verification:
    fundamentals, IEEE/ACM TASLP 2020; constants of the ASVspoof 2021 evaluation plan.
    """
    c0 = P_TARGET * C_MISS * asv.p_miss + P_NONTARGET * C_FA * asv.p_fa
    c1 = P_TARGET * C_MISS - c0
    c2 = P_SPOOF * C_FA_SPOOF * (1 - asv.p_miss_spoof)
    return c0, c1, c2


def min_tdcf_2019(steps: DetSteps, asv: AsvOperatingPoint) -> float:
    """Minimum of the normalised t-DCF in the form of 2019 (legacy); 1 is a countermeasure of no use.

    Args:
        steps: counted DET steps of the countermeasure.
        asv: of the same partition as the countermeasure's trials.

    Raises:
        ScoreError: with this ASV system errors of the countermeasure would cost nothing.
    """
    c1, c2 = tdcf_weights_2019(asv)
    _refuse_free_errors(c1, c2)
    return float(np.min(c1 * steps.p_miss + c2 * steps.p_fa) / min(c1, c2))


def min_tdcf_2021(steps: DetSteps, asv: AsvOperatingPoint) -> float:
    """Minimum of the normalised t-DCF in the revised, ASV-constrained form of 2021.

    A perfect countermeasure does not reach 0: what the ASV system costs by itself remains.

    Args:
        steps: counted DET steps of the countermeasure.
        asv: of the same partition as the countermeasure's trials.

    Raises:
        ScoreError: with this ASV system errors of the countermeasure would cost nothing.
    """
    c0, c1, c2 = tdcf_weights_2021(asv)
    _refuse_free_errors(c1, c2)
    return float(np.min(c0 + c1 * steps.p_miss + c2 * steps.p_fa) / (c0 + min(c1, c2)))


def _refuse_free_errors(c1: float, c2: float) -> None:
    if c1 <= 0 or c2 <= 0:
        raise ScoreError(
            f"t-DCF weights C1 = {c1:.4g} and C2 = {c2:.4g}",
            wanted="both above zero",
            remedy="other ASV scores: these reject nearly every target or every spoofed trial",
        )
