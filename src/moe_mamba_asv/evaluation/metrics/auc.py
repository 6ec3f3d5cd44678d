"""The area under the ROC curve."""

import numpy as np

from moe_mamba_asv.evaluation.metrics.det import DetSteps


def auc(steps: DetSteps) -> float:
    """How often a bona fide trial drawn at random scores above a spoofed one: 1 apart, 1/2 chance, 0 reversed.

    ``AUC = P(s_bonafide > s_spoof) + P(s_bonafide = s_spoof) / 2``: ties count one half. It is counted in integers
    over all pairs and divided once, so nothing is rounded before the end.

    Args:
        steps: counted DET steps.

    Source: Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic (ROC) curve,
    Radiology 1982.

    Examples:
        Of the four pairs, 2 beats both spoofs, 0 beats one: three of four.

        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> auc(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 1.0])))
        0.75
    """
    # Spoofs below a score, plus spoofs at or below it: twice the pairs that the bona fide trials on that score win.
    won_twice = 2 * steps.spoof - steps.false_alarms[:-1] - steps.false_alarms[1:]
    return int(np.diff(steps.misses) @ won_twice) / (2 * steps.bonafide * steps.spoof)
