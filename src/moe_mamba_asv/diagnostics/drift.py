"""How much an EER moves when something is changed, judged on the same clips."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.diagnostics.results.drift import EerShift
from moe_mamba_asv.diagnostics.sample import Sample
from moe_mamba_asv.evaluation.comparison.paired import paired_bootstrap
from moe_mamba_asv.evaluation.metrics.bootstrap import interval
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate

_REPLICATES = 1000


def eer_shifts(
    sample: Sample, before: NDArray[np.float64], after: NDArray[np.float64], rng: np.random.Generator
) -> tuple[EerShift, dict[str, EerShift]]:
    """The EER of all clips, and of each attack against all bona fide clips, before and after.

    Args:
        sample: whose clips were scored.
        before: (clips,).
        after: (clips,), of the same clips.
        rng: of the bootstrap.
    """
    names = sample.attack_names
    stratum = np.array([0 if real else 1 + _number(names, name) for real, name in _classes(sample)])
    groups = [tuple(range(1, int(stratum.max()) + 1)), *((number,) for number in range(1, len(names) + 1))]
    drawn = paired_bootstrap(np.stack([before, after]), stratum, groups, replicates=_REPLICATES, rng=rng)
    change = drawn.difference(1, 0)[0]
    shifts = [
        _shift(before, after, stratum == 0, np.isin(stratum, group), change[row]) for row, group in enumerate(groups)
    ]
    return shifts[0], dict(zip(names, shifts[1:], strict=True))


def _classes(sample: Sample) -> list[tuple[bool, str]]:
    return list(zip(sample.is_bonafide.tolist(), sample.attacks, strict=True))


def _number(names: list[str], name: str) -> int:
    """Of an attack; spoofed clips without a name come last."""
    return names.index(name) if name else len(names)


def _shift(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    bonafide: NDArray[np.bool_],
    spoofed: NDArray[np.bool_],
    change: NDArray[np.float64],
) -> EerShift:
    first, second = (equal_error_rate(scores[bonafide], scores[spoofed]).value for scores in (before, after))
    low, high = interval(change, confidence=0.95)
    return EerShift(n=int(spoofed.sum()), before=first, after=second, change=second - first, ci=(low, high))
