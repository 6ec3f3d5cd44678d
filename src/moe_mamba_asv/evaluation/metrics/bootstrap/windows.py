"""Which boundaries a bootstrap has to look at."""

from collections.abc import Sequence

import numpy as np

from moe_mamba_asv.evaluation.metrics.bootstrap.costs import LinearCost
from moe_mamba_asv.evaluation.metrics.bootstrap.grid import ScoreGrid

#: Standard deviations that a window leaves on either side. Replicates that leave it are found and cost time, no more.
_MARGIN = 4.0


def windows(grid: ScoreGrid, costs: Sequence[LinearCost]) -> list[slice]:
    """For the pooled trials and each attack, the boundaries outside which hardly a resample has its EER and minima."""
    return [_window(grid.bonafide, rejected, costs) for rejected in (grid.spoof.sum(axis=0), *grid.spoof)]


def _window(misses: np.ndarray, rejected: np.ndarray, costs: Sequence[LinearCost]) -> slice:
    bonafide, spoof = misses[-1], rejected[-1]
    p_miss, p_fa = misses / bonafide, 1 - rejected / spoof
    spread_miss = _MARGIN * np.sqrt(p_miss * (1 - p_miss) / bonafide)
    spread_fa = _MARGIN * np.sqrt(p_fa * (1 - p_fa) / spoof)
    spread = np.hypot(spread_miss, spread_fa)
    before, after = [p_fa - p_miss > spread], [p_miss - p_fa >= spread]
    for cost in costs:
        total = cost.miss_weight * p_miss + cost.fa_weight * p_fa
        best = total.argmin()
        high = total[best] + np.hypot(cost.miss_weight * spread_miss[best], cost.fa_weight * spread_fa[best])
        before.append(cost.fa_weight * (p_fa - spread_fa) >= high)
        after.append(cost.miss_weight * (p_miss - spread_miss) >= high)
    # The two ends, which accept and reject everything, always serve.
    last = misses.size - 1
    first = min(int(np.flatnonzero(holds).max(initial=0)) for holds in before)
    end = max(int(np.flatnonzero(holds).min(initial=last)) for holds in after)
    return slice(first, end + 1)
