"""From replicates to an interval."""

import numpy as np

from moe_mamba_asv.errors import ConfigError


def interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval: the quantiles that leave the same share of the replicates out on either side.

    Of the usual forms it is the one that stays within the range of the measure, and that answers the same after any
    increasing change of scale. It is not corrected for bias or skewness: resampled minima of a cost lie somewhat below
    the cost of the trials themselves, as every resample picks its own threshold.

    Args:
        values: replicates [replicates]; NaN (the group was absent) are left out.
        confidence: share of the replicates inside.

    Raises:
        ConfigError: no replicate with a value, or a confidence outside (0, 1).

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.
    """
    present = values[~np.isnan(values)]
    if present.size == 0 or not 0 < confidence < 1:
        raise ConfigError(
            f"{present.size} replicates at confidence {confidence}",
            wanted="one or more, and a confidence between 0 and 1",
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(present, [tail, 1 - tail])
    return float(low), float(high)
