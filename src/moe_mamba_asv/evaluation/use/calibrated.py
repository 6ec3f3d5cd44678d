"""Calibrated scores, taken at their word."""

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.calibration.maps import logit
from moe_mamba_asv.evaluation.calibration.table import DEFAULT_PRIOR
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.cllr import cllr
from moe_mamba_asv.evaluation.metrics.dcf import act_dcf
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.reliability import expected_calibration_error, reliability
from moe_mamba_asv.evaluation.use.result import CalibratedResult, ReliabilityBin

_NOT_TOLD = "not told"


def stated_prior(trials: Trials, prior: float | None) -> float:
    """The prior that is asked for, or that the score file states, or one half.

    Raises:
        ConfigError: a prior outside (0, 1), or one that is asked for where no score is calibrated.
    """
    if prior is not None and trials.llr is None:
        raise ConfigError(
            f"a prior of {prior:g} for scores that are not calibrated",
            wanted="log-likelihood ratios",
            remedy="mma calibrate, then --calibration FILE or a score file of the calibrated model",
        )
    if prior is None:
        try:
            prior = float(trials.header.get("prior", DEFAULT_PRIOR))
        except ValueError as error:
            got = f"the score file states a prior of {trials.header['prior']!r}"
            raise ConfigError(got, wanted="a share of bona fide between 0 and 1", remedy="--prior") from error
    logit(prior)
    return prior


def judge_calibrated(trials: Trials, prior: float) -> CalibratedResult | None:
    """Act DCF, Cllr and ECE of the log-likelihood ratios; None where the scores are not calibrated.

    Args:
        trials: of one system.
        prior: share of bona fide audio, for the probabilities; the classes are weighted to it.

    Raises:
        ConfigError: a prior outside (0, 1).
    """
    if trials.llr is None:
        return None
    bonafide, spoof = trials.llr[trials.is_bonafide], trials.llr[~trials.is_bonafide]
    table = reliability(det_steps(*(_probability(of, prior) for of in (bonafide, spoof))), prior=prior)
    arrays = (table.lowest, table.highest, table.mean_probability, table.fraction_bonafide, table.count)
    names = ("lowest", "highest", "mean_probability", "fraction_bonafide", "count")
    return CalibratedResult(
        calibration=trials.header.get("calibration", _NOT_TOLD),
        calibrated_on=trials.header.get("calibrated_on", _NOT_TOLD),
        prior=prior,
        act_dcf=act_dcf(bonafide, spoof),
        cllr=cllr(bonafide, spoof),
        ece=expected_calibration_error(table),
        bins=tuple(
            ReliabilityBin(**dict(zip(names, of, strict=True)))
            for of in zip(*(array.tolist() for array in arrays), strict=True)
        ),
    )


def calibration_notes(trials: Trials) -> list[str]:
    """What a reader must know: whether the calibration has seen the answers."""
    if trials.llr is None or trials.header.get("calibrated_on") != f"{trials.corpus} {trials.partition}":
        return []
    return [
        "the calibration was learned on this partition: act DCF, Cllr and ECE are too good to be expected elsewhere"
    ]


def _probability(llr: np.ndarray, prior: float) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -(llr + logit(prior))))
