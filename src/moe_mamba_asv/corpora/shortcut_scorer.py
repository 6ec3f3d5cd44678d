"""A small scorer without assumptions: what a feature alone knows about the class, on speakers it has not seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
_BINS = 10
#: Clips that each class is lent in every bin, so that an empty bin is no certainty.
_PSEUDO_COUNT = 1.0
_REPLICATES = 300


def deal_folds(bonafide: NDArray[np.bool_], groups: Sequence[str], generator: np.random.Generator) -> NDArray[np.intp]:
    """Deal groups into at most five folds of like size and like share of both classes.

    Args:
        bonafide: the class of each clip, shape (clips,).
        groups: the group of each clip; a group is never in two folds.
        generator: orders groups of the same size.

    Returns:
        The fold of each clip, shape (clips,).
    """
    group_of = np.unique(np.asarray(groups), return_inverse=True)[1]
    # As shares of each class, so that the rare class is dealt out as evenly as the frequent one.
    shares = np.stack([np.bincount(group_of, weights=one) / max(1, one.sum()) for one in (bonafide, ~bonafide)], axis=1)
    order = generator.permutation(len(shares))
    order = order[np.argsort(-shares[order].sum(axis=1), kind="stable")]
    num_folds = min(FOLDS, len(shares))
    held = [[0.0, 0.0] for _ in range(num_folds)]
    fold_of_group = np.zeros(len(shares), dtype=np.intp)
    for group, (of_bonafide, of_spoof) in zip(order, shares[order].tolist(), strict=True):
        # The fold whose sum of squared shares grows least.
        costs = [of_bonafide * fold[0] + of_spoof * fold[1] for fold in held]
        fold = costs.index(min(costs))
        fold_of_group[group] = fold
        held[fold][0] += of_bonafide
        held[fold][1] += of_spoof
    return fold_of_group[group_of]


def out_of_fold_scores(
    values: NDArray[np.float64], bonafide: NDArray[np.bool_], folds: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Score each clip by histograms of the other folds.

    The score is the log ratio of the two classes' histograms over ten bins that hold equal weight when both classes
    weigh the same; a vector's score is the sum over its numbers.

    Args:
        values: shape (clips, numbers).
        bonafide: shape (clips,).
        folds: shape (clips,); every training part has both classes.

    Returns:
        Shape (clips,), higher is bona fide.
    """
    scores = np.zeros(len(values))
    for fold in np.unique(folds):
        held_out = folds == fold
        for column in values.T:
            scores[held_out] += _log_ratio(column[~held_out], bonafide[~held_out], column[held_out])
    return scores


def _log_ratio(
    train: NDArray[np.float64], bonafide: NDArray[np.bool_], test: NDArray[np.float64]
) -> NDArray[np.float64]:
    edges = _quantiles(train, np.where(bonafide, 1 / bonafide.sum(), 1 / (~bonafide).sum()))
    bins = np.searchsorted(edges, train, side="right")
    logs = []
    for one in (bonafide, ~bonafide):
        counts = np.bincount(bins[one], minlength=len(edges) + 1) + _PSEUDO_COUNT
        logs.append(np.log(counts / counts.sum()))
    return (logs[0] - logs[1])[np.searchsorted(edges, test, side="right")]


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner edges of the bins; a value that fills a bin alone has one of its own, without its neighbours."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) / weights.sum()
    wanted = np.arange(1, _BINS) / _BINS
    quantiles = values[order][np.minimum(np.searchsorted(below, wanted), len(values) - 1)]
    edges, times = np.unique(quantiles, return_counts=True)
    return np.union1d(edges, np.nextafter(edges[times > 1], np.inf))


def auc(scores: NDArray[np.float64], bonafide: NDArray[np.bool_]) -> float:
    """Probability that a bona fide clip scores above a spoofed one, a tie being one half."""
    levels = np.unique(scores, return_inverse=True)[1]
    return _weighted_auc(levels, bonafide, np.ones(len(scores)))


def auc_interval(
    scores: NDArray[np.float64], bonafide: NDArray[np.bool_], drawn: Sequence[str], generator: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of the area by a bootstrap that draws whole groups.

    The scorers are not trained again: the interval tells the spread over clips, not over training parts.

    Args:
        scores: shape (clips,).
        bonafide: shape (clips,), both classes.
        drawn: the group of each clip.
        generator: draws the groups.

    Returns:
        2.5th and 97.5th percentile. A replicate without one of the classes is drawn again.
    """
    levels = np.unique(scores, return_inverse=True)[1]
    group_of = np.unique(np.asarray(drawn), return_inverse=True)[1]
    num_groups = int(group_of.max()) + 1
    areas = []
    while len(areas) < _REPLICATES:
        times = np.bincount(generator.integers(num_groups, size=num_groups), minlength=num_groups)
        weights = times[group_of].astype(np.float64)
        if 0 < weights[bonafide].sum() < weights.sum():
            areas.append(_weighted_auc(levels, bonafide, weights))
    low, high = np.percentile(areas, (2.5, 97.5))
    return float(low), float(high)


def _weighted_auc(levels: NDArray[np.intp], bonafide: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    num_levels = int(levels.max()) + 1
    ours, theirs = (
        np.bincount(levels[one], weights=weights[one], minlength=num_levels) for one in (bonafide, ~bonafide)
    )
    return float(ours @ (np.cumsum(theirs) - theirs / 2) / (ours.sum() * theirs.sum()))
