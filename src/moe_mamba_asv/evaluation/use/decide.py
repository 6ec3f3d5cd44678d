"""Every trial decided at one threshold."""

import math

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.calibration.maps import logit
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.decisions import ClassQuality, decisions_at
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.use.result import ClassResult, DecisionsResult, Scale


def decide(trials: Trials, threshold: float | None, prior: float) -> DecisionsResult | None:
    """Decide at a threshold; without one, where the calibration says that either class is as probable.

    That is the log-likelihood ratio ``-ln(prior / (1 - prior))``: above it bona fide has a probability over one half.

    Args:
        trials: of one system.
        threshold: on the scale of the scores, or None.
        prior: share of bona fide audio; used only without a threshold.

    Returns:
        None where there is neither a threshold nor a calibration.

    Raises:
        ConfigError: a threshold that is not finite.
    """
    if threshold is not None and not math.isfinite(threshold):
        raise ConfigError(f"a threshold of {threshold}", wanted="a number on the scale of the scores")
    if threshold is not None:
        return _decide(trials.score, trials.is_bonafide, threshold, "score")
    if trials.llr is not None:
        return _decide(trials.llr, trials.is_bonafide, 0.0 - logit(prior), "log-likelihood ratio")
    return None


def _decide(values: np.ndarray, is_bonafide: np.ndarray, threshold: float, scale: Scale) -> DecisionsResult:
    decided = decisions_at(det_steps(values[is_bonafide], values[~is_bonafide]), threshold)
    return DecisionsResult(
        threshold=threshold,
        scale=scale,
        bonafide_accepted=decided.bonafide_accepted,
        bonafide_rejected=decided.bonafide_rejected,
        spoof_accepted=decided.spoof_accepted,
        spoof_rejected=decided.spoof_rejected,
        p_miss=decided.bonafide_rejected / (decided.bonafide_accepted + decided.bonafide_rejected),
        p_fa=decided.spoof_accepted / (decided.spoof_accepted + decided.spoof_rejected),
        accuracy=decided.accuracy,
        balanced_accuracy=decided.balanced_accuracy,
        bonafide=_class_result(decided.bonafide),
        spoof=_class_result(decided.spoof),
    )


def _class_result(quality: ClassQuality) -> ClassResult:
    precision = None if math.isnan(quality.precision) else quality.precision
    return ClassResult(precision=precision, recall=quality.recall, f1=quality.f1)
