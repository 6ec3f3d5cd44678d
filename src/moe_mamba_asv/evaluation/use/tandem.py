"""The countermeasure in front of an ASV system: a-DCF and t-EER of trials that both have scored."""

from dataclasses import asdict

import numpy as np

from moe_mamba_asv.evaluation.metrics.adcf import min_adcf, trinary_steps
from moe_mamba_asv.evaluation.metrics.teer import PairedScores, TandemSteps, concurrent_teer, tandem_steps, teer_path
from moe_mamba_asv.evaluation.use.asv_trials import TandemScores
from moe_mamba_asv.evaluation.use.result import TandemResult, TeerPoint, TeerResult

#: Points of a path that are kept, at most: what a figure can show.
_MOST_POINTS = 101


def judge_tandem(scores: TandemScores, cm_threshold: float) -> TandemResult:
    """a-DCF and t-EER.

    The a-DCF is of one score. Here it is the ASV score of what the countermeasure accepts at its threshold; what it
    rejects comes below all others, so that no ASV threshold but the one that accepts everything accepts it.

    Args:
        scores: both scores of every trial.
        cm_threshold: of the countermeasure, for the a-DCF; the t-EER finds its own.

    Raises:
        ScoreError: a kind of trial is absent.
    """
    steps = tandem_steps(scores.target, scores.nontarget, scores.spoof)
    teer = concurrent_teer(steps)
    return TandemResult(
        source=scores.source.name,
        target=scores.target.asv.size,
        nontarget=scores.nontarget.asv.size,
        spoof=scores.spoof.asv.size,
        cm_threshold=cm_threshold,
        min_adcf=min_adcf(trinary_steps(*_gated(scores, cm_threshold))),
        min_adcf_asv=min_adcf(steps.asv),
        teer=TeerResult(**asdict(teer), spread=teer.spread),
        path=_path(steps),
    )


def _gated(scores: TandemScores, cm_threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ASV scores of the three kinds, with one below all of them where the countermeasure rejects."""
    lowest = min(of.asv.min() for of in (scores.target, scores.nontarget, scores.spoof))
    rejected = np.nextafter(lowest, -np.inf)

    def gate(of: PairedScores) -> np.ndarray:
        return np.where(of.cm > cm_threshold, of.asv, rejected)

    return gate(scores.target), gate(scores.nontarget), gate(scores.spoof)


def _path(steps: TandemSteps) -> tuple[TeerPoint, ...]:
    path = teer_path(steps, p_spoof=0.5)
    possible = np.flatnonzero(~np.isnan(path.teer))
    if not possible.size:
        return ()
    kept = possible[np.unique(np.linspace(0, possible.size - 1, _MOST_POINTS).round().astype(int))]
    asv, cm, teer = (values[kept].tolist() for values in (path.asv_thresholds, path.cm_thresholds, path.teer))
    return tuple(
        TeerPoint(asv_threshold=of_asv, cm_threshold=of_cm, teer=value)
        for of_asv, of_cm, value in zip(asv, cm, teer, strict=True)
    )
