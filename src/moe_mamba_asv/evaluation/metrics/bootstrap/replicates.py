"""What a bootstrap answers: the figures of every replicate."""

from dataclasses import dataclass

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.metrics.bootstrap.interval import interval

#: Name of the group of all attacks together.
POOLED = "pooled"


@dataclass(frozen=True)
class Replicates:
    """Figures of resampled trials, all groups from the same resample.

    So differences may be taken replicate by replicate, and intervals of them.

    Attributes:
        measures: ``eer``, ``min_tdcf_2019``, ``min_tdcf_2021``, ``min_dcf``; without those that were not asked for.
        groups: `POOLED`, then the attacks.
        values: float64 [measures, groups, replicates]; NaN where a resample lacks the attack, which can happen only
            where speakers are drawn.
        redrawn: resamples that lacked a class, and were drawn anew.
    """

    measures: tuple[str, ...]
    groups: tuple[str, ...]
    values: np.ndarray
    redrawn: int = 0

    def of(self, measure: str, group: str = POOLED) -> np.ndarray:
        """The values of one measure and group [replicates].

        Raises:
            ConfigError: there is no such measure or group.
        """
        for name, there in ((measure, self.measures), (group, self.groups)):
            if name not in there:
                raise ConfigError(f"no {name!r} among the replicates", wanted=", ".join(there))
        return self.values[self.measures.index(measure), self.groups.index(group)]

    def interval(self, measure: str, group: str = POOLED, confidence: float = 0.95) -> tuple[float, float]:
        """The percentile interval of one measure and group; see `interval`."""
        return interval(self.of(measure, group), confidence)
