"""Error rates and costs by the published steps, in plain NumPy: what ours are measured against.

As the organisers' scoring scripts do it: sort all trials together, one step for each trial, cumulative sums, argmin.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint, tdcf_weights_2019, tdcf_weights_2021

#: Fractions missed and falsely accepted [trials + 1].
Curve = tuple[np.ndarray, np.ndarray]


def plain_curve(bonafide: np.ndarray, spoof: np.ndarray) -> Curve:
    """The errors after each trial, from the lowest score up; of tied trials the bona fide ones first."""
    labels = np.concatenate([np.ones(bonafide.size), np.zeros(spoof.size)])
    order = np.argsort(np.concatenate([bonafide, spoof]), kind="mergesort")
    missed = np.cumsum(labels[order])
    accepted = spoof.size - (np.arange(1, labels.size + 1) - missed)
    return np.append(0, missed / bonafide.size), np.append(1, accepted / spoof.size)


def plain_eer(curve: Curve) -> float:
    """The mean of both errors where they differ least."""
    p_miss, p_fa = curve
    nearest = np.argmin(np.abs(p_miss - p_fa))
    return float((p_miss[nearest] + p_fa[nearest]) / 2)


def plain_tdcf_2019(curve: Curve, asv: AsvOperatingPoint) -> float:
    """The least normalised cost in the form of 2019."""
    c1, c2 = tdcf_weights_2019(asv)
    cost = c1 * curve[0] + c2 * curve[1]
    return float((cost / np.minimum(c1, c2))[np.argmin(cost)])


def plain_tdcf_2021(curve: Curve, asv: AsvOperatingPoint) -> float:
    """The least normalised cost in the form of 2021."""
    c0, c1, c2 = tdcf_weights_2021(asv)
    cost = c0 + c1 * curve[0] + c2 * curve[1]
    return float((cost / (c0 + np.minimum(c1, c2)))[np.argmin(cost)])


def plain_point_values(
    bonafide: np.ndarray, spoof: np.ndarray, attacks: Sequence[np.ndarray], asv: AsvOperatingPoint
) -> list[float]:
    """EER, both minima of the t-DCF, then the EER of every attack; as published, each counts its own curve."""
    return [
        plain_eer(plain_curve(bonafide, spoof)),
        plain_tdcf_2019(plain_curve(bonafide, spoof), asv),
        plain_tdcf_2021(plain_curve(bonafide, spoof), asv),
        *(plain_eer(plain_curve(bonafide, of)) for of in attacks),
    ]


def plain_replicate(
    bonafide: np.ndarray, attacks: Mapping[str, np.ndarray], asv: AsvOperatingPoint, rng: np.random.Generator
) -> np.ndarray:
    """Draw the trials themselves; EER and both minima of the t-DCF, pooled and by attack [measures, groups].

    One curve serves all three measures of a group, which is kinder than the published form.
    """
    bonafide = rng.choice(bonafide, bonafide.size)
    drawn = [rng.choice(of, of.size) for of in attacks.values()]
    curves = [plain_curve(bonafide, of) for of in (np.concatenate(drawn), *drawn)]
    values = [(plain_eer(of), plain_tdcf_2019(of, asv), plain_tdcf_2021(of, asv)) for of in curves]
    return np.array(values).T
