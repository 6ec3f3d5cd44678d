"""The convex hull of the DET steps: the best that any mixture of thresholds reaches."""

from itertools import pairwise

import numpy as np

from moe_mamba_asv.evaluation.metrics.det import DetSteps


def hull_vertices(steps: DetSteps) -> np.ndarray:
    """The steps that are corners of the lower left convex hull.

    Corners only, without the steps on an edge between two of them; the first and the last step always belong.
    Decided on integer counts, without rounding.

    Args:
        steps: counted DET steps.

    Returns:
        int64 [vertices], ascending, indices into the steps.

    Source: Provost and Fawcett, Robust classification for imprecise environments, Machine Learning 2001. The pooling
    of adjacent violators finds the same corners: Fawcett and Niculescu-Mizil, PAV and the ROC convex hull, Machine
    Learning 2007.
    """
    kept = np.arange(steps.thresholds.size)
    while True:
        corners = kept[_turns_left(steps.misses[kept], steps.false_alarms[kept])]
        # A step that is no corner between its neighbours is no corner of the hull. Every pass over noisy scores drops
        # about half of what is left; once little falls, few are left and one walk ends it in linear time.
        few_fell = corners.size > 0.9 * kept.size
        kept = corners
        if few_fell:
            return kept[_walk(steps.misses[kept].tolist(), steps.false_alarms[kept].tolist())]


def roc_hull(steps: DetSteps) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the hull, for a figure.

    Args:
        steps: counted DET steps.

    Returns:
        ``p_miss`` (ascending) and ``p_fa`` (descending), each [vertices], fractions, from (0, 1) to (1, 0).

    Examples:
        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> p_miss, p_fa = roc_hull(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 1.0])))
        >>> p_miss.tolist(), p_fa.tolist()
        ([0.0, 0.0, 0.5, 1.0], [1.0, 0.5, 0.0, 0.0])
    """
    vertices = hull_vertices(steps)
    return steps.p_miss[vertices], steps.p_fa[vertices]


def eer_of_hull(steps: DetSteps) -> float:
    """The EER on the convex hull (ROCCH-EER): where the hull meets ``p_miss = p_fa``, a fraction.

    It is the error rate of the best mixture of two thresholds, and the greatest over all priors of the least error:
    ``max_w min_k w p_miss[k] + (1 - w) p_fa[k]``. It is not the EER of the organisers (`equal_error_rate`), which
    takes the nearest step as it is; the two may differ either way, by much where trials are few. Tied trials move
    together, so it does not depend on their order.

    Args:
        steps: counted DET steps.

    Source: Brümmer and de Villiers, The BOSARIS toolkit user guide, 2011, section on the ROC convex hull.

    Examples:
        The edge from (0, 1/2) to (1/2, 0) meets the diagonal at 1/4.

        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> eer_of_hull(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 1.0])))
        0.25
    """
    vertices = hull_vertices(steps)
    misses, false_alarms = steps.misses[vertices], steps.false_alarms[vertices]
    imbalance = misses * steps.spoof - false_alarms * steps.bonafide
    after = int(np.searchsorted(imbalance, 0))  # never the first corner, which accepts every spoof
    gap_before, gap_after = -int(imbalance[after - 1]), int(imbalance[after])
    crossing = int(misses[after - 1]) * gap_after + int(misses[after]) * gap_before
    return crossing / ((gap_before + gap_after) * steps.bonafide)


def _turns_left(misses: np.ndarray, false_alarms: np.ndarray) -> np.ndarray:
    """Where the line bends towards more misses and fewer false alarms per miss; true at both ends."""
    d_misses, d_false_alarms = np.diff(misses), np.diff(false_alarms)
    bends = d_misses[:-1] * d_false_alarms[1:] > d_misses[1:] * d_false_alarms[:-1]
    return np.concatenate([[True], bends, [True]])


def _walk(misses: list[int], false_alarms: list[int]) -> list[int]:
    """Indices of the corners: Andrew's monotone chain, on Python's integers."""
    points = list(zip(misses, false_alarms, strict=True))
    chain: list[int] = []
    for index, point in enumerate(points):
        while len(chain) > 1 and not _bends(points[chain[-2]], points[chain[-1]], point):
            chain.pop()
        chain.append(index)
    return chain


def _bends(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    (dx1, dy1), (dx2, dy2) = ((q[0] - p[0], q[1] - p[1]) for p, q in pairwise((a, b, c)))
    return dx1 * dy2 > dx2 * dy1
