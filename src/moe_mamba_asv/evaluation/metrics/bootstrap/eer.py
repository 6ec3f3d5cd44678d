"""How far the EER could move if other trials of the same kind had been drawn."""

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.metrics.bootstrap.interval import interval
from moe_mamba_asv.evaluation.metrics.det import DetSteps
from moe_mamba_asv.evaluation.metrics.eer import eer_at_crossing


def eer_interval(
    steps: DetSteps, *, replicates: int, rng: np.random.Generator, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the EER, stratified by class.

    It speaks of other trials from the same speakers and attacks, not of other speakers or attacks. Where no error
    was made at all, no resampling makes one either, and the interval is [0, 0].

    Args:
        steps: counted DET steps.
        replicates: 1,000 give the ends to about a tenth of the interval's width.
        rng: the only source of chance.
        confidence: fraction of the replicates inside.

    Raises:
        ConfigError: fewer than one replicate, or a confidence outside (0, 1).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    return interval(bootstrap_eers(steps, replicates=replicates, rng=rng), confidence)


def bootstrap_eers(steps: DetSteps, *, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The EER of every replicate [replicates]: both classes drawn anew, with replacement, in their own size.

    Exact, at the price of a binary search instead of a resampled file. Resampling a class is one multinomial draw
    over the distinct scores, and a multinomial may be drawn by halves: of the trials between two thresholds, those
    below a third one in between are binomial. Only the half in which misses overtake false alarms is ever looked
    into, so a replicate costs about ``2 * log2(steps)`` binomial draws, however many trials there are.

    Args:
        steps: counted DET steps.
        replicates: how many.
        rng: the only source of chance.

    Raises:
        ConfigError: fewer than one replicate.
    """
    if replicates < 1:
        raise ConfigError(f"{replicates} replicates", wanted="one or more")
    rejected = np.stack([steps.misses, steps.spoof - steps.false_alarms])  # by class, in the trials as they are
    totals = rejected[:, -1:]
    low = np.zeros(replicates, dtype=np.int64)  # a step where misses are still the smaller fraction
    high = np.full(replicates, rejected.shape[1] - 1)  # one where they no longer are
    drawn_low = np.zeros((2, replicates), dtype=np.int64)  # rejected in the replicate, by class, at step `low`
    drawn_high = np.repeat(totals, replicates, axis=1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        between = rejected[:, high] - rejected[:, low]
        fraction = (rejected[:, middle] - rejected[:, low]) / np.maximum(between, 1)
        drawn = drawn_low + rng.binomial(drawn_high - drawn_low, fraction)
        misses, accepted_spoof = drawn[0], totals[1] - drawn[1]
        overtaken = misses * steps.spoof >= accepted_spoof * steps.bonafide
        high, low = np.where(overtaken, middle, high), np.where(overtaken, low, middle)
        drawn_high = np.where(overtaken, drawn, drawn_high)
        drawn_low = np.where(overtaken, drawn_low, drawn)
    return eer_at_crossing(
        drawn_low[0],
        totals[1] - drawn_low[1],
        drawn_high[0],
        totals[1] - drawn_high[1],
        bonafide=steps.bonafide,
        spoof=steps.spoof,
    )
