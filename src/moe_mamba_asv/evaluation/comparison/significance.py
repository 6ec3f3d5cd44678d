"""From resampled differences to intervals and p-values, and from many of them to what may be said."""

from collections.abc import Sequence

import numpy as np

from moe_mamba_asv.evaluation.comparison.result import Difference, Verdict
from moe_mamba_asv.evaluation.metrics.bootstrap import interval

#: Below this a p-value makes a verdict.
SIGNIFICANCE = 0.05
#: Of every interval.
CONFIDENCE = 1 - SIGNIFICANCE


def two_sided_p(differences: np.ndarray) -> float:
    """The p-value of "no difference": twice the share of resamples on the rarer side of zero.

    ``2 (k + 1) / (R + 1)``, at most 1, with ``k`` the resamples of ``R`` that are zero or beyond it on the rarer side.
    It is the level at which the percentile interval begins to hold zero, and never below ``2 / (R + 1)``.

    Args:
        differences: replicates [R]; NaN (the group was absent) are left out.

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, sections 4.2 and 5.4.
    """
    present = differences[~np.isnan(differences)]
    rarer = min((present <= 0).sum(), (present >= 0).sum())
    return min(1.0, 2 * (int(rarer) + 1) / (present.size + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values of a family of tests, corrected so that one false finding among all has at most the stated chance.

    Args:
        p_values: of all tests of the family, in any order, which is kept.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979.

    Examples:
        >>> holm([0.25, 0.125, 0.5])
        [0.5, 0.375, 0.5]
    """
    order = np.argsort(p_values, kind="stable")
    stepped = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected.tolist()


def judge_differences(
    a: list[float], b: list[float], replicates: np.ndarray | None, is_attack: Sequence[bool]
) -> list[Difference]:
    """One measure of two systems in all groups, attacks corrected by Holm's procedure among themselves.

    Args:
        a: of A [groups].
        b: of B [groups].
        replicates: A minus B on the same resamples, [groups, replicates]; None leaves all but the values out.
        is_attack: whether a group is one attack, and so one of the tests of the family [groups].
    """
    if replicates is None:
        bare = {"ci": None, "p": None, "p_corrected": None, "verdict": None}
        return [Difference(a=of_a, b=of_b, value=of_a - of_b, **bare) for of_a, of_b in zip(a, b, strict=True)]
    p_values = [two_sided_p(of) for of in replicates]
    attacks = np.flatnonzero(is_attack)
    corrected = dict(zip(attacks.tolist(), holm([p_values[place] for place in attacks]), strict=True))
    return [
        Difference(
            a=a[place],
            b=b[place],
            value=a[place] - b[place],
            ci=interval(of, CONFIDENCE),
            p=p_values[place],
            p_corrected=corrected.get(place),
            verdict=_verdict(a[place] - b[place], corrected.get(place, p_values[place])),
        )
        for place, of in enumerate(replicates)
    ]


def _verdict(difference: float, p: float) -> Verdict:
    if p >= SIGNIFICANCE or difference == 0:
        return "no difference shown"
    return "A better" if difference < 0 else "B better"
