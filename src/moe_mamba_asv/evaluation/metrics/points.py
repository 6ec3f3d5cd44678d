"""EER and both t-DCF of one set of trials, where nothing but these numbers is wanted."""

from typing import NamedTuple

import numpy as np

from moe_mamba_asv.evaluation.metrics.deciding import deciding_steps
from moe_mamba_asv.evaluation.metrics.eer import Eer, eer_of_steps
from moe_mamba_asv.evaluation.metrics.tdcf import (
    AsvOperatingPoint,
    min_tdcf_2019,
    min_tdcf_2021,
    tdcf_weights_2019,
    tdcf_weights_2021,
)


class PointValues(NamedTuple):
    """The EER, and the minimum t-DCF in the legacy form of 2019 and the revised one of 2021."""

    eer: Eer
    min_tdcf_2019: float
    min_tdcf_2021: float


def point_values(bonafide: np.ndarray, spoof: np.ndarray, asv: AsvOperatingPoint) -> PointValues:
    """The three figures without all DET steps; the same numbers as from `det_steps`, to the last bit.

    Args:
        bonafide: scores of bona fide trials [bonafide], in any order.
        spoof: scores of spoofed trials [spoof], in any order.
        asv: of the same partition as the trials.

    Raises:
        ScoreError: a class without trials, scores that are not finite, or an ASV system with which errors of the
            countermeasure would cost nothing.
    """
    steps = deciding_steps(bonafide, spoof, [(0.0, *tdcf_weights_2019(asv)), tdcf_weights_2021(asv)])
    return PointValues(eer_of_steps(steps), min_tdcf_2019(steps, asv), min_tdcf_2021(steps, asv))
