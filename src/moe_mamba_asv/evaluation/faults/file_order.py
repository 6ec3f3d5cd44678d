"""Were the scores written in another order than their ids? Tells a useless system from a shuffled score file.

The scores of a file are a sequence, and so are the labels in any order that a program may have gone through a corpus.
Where a file's scores fit the labels of such an order far better than the labels of their own ids, they belong to it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.eer import equal_error_rate
from moe_mamba_asv.scores import ScoreTable
from moe_mamba_asv.types import Label

#: From this EER on, and to as much above one half, a system is near enough to chance to ask for the order of its rows.
NEAR_CHANCE_EER = 0.4
#: How often independent scores may be called shuffled, all orders and shifts together.
FALSE_ALARM_RATE = 0.001
#: Rows by which a file may be shifted: a header read as a row, a dropped or doubled batch.
MAX_SHIFT_ROWS = 128
#: Where the rows went another way altogether a further shift is not plausible; noise moves the best fit by a few rows.
_LEEWAY_ROWS = 8
#: The other order must be better by this much EER: a mere significance is no shuffle.
_MIN_GAIN_EER = 0.1
#: Parallel runs whose parts were put one after another.
_STRIDES = (2, 4, 8)
_NORMAL_MAD = 1.4826  # standard deviations per median absolute deviation


@dataclass(frozen=True)
class OtherOrder:
    """The order that the scores of a file fit.

    Attributes:
        name: in words, for a message.
        shift_rows: the score that belongs to a row of that order stands this many rows further down.
        eer: with the labels of that order.
        z: how many standard deviations the fit is above that of independent scores.
    """

    name: str
    shift_rows: int
    eer: float
    z: float


@dataclass(frozen=True)
class _Order:
    """Labels [rows] as one order of rows would have them, and how far a file may be shifted against it."""

    name: str
    is_bonafide: np.ndarray
    max_shift_rows: int = _LEEWAY_ROWS


def find_other_order(trials: Trials, scores: ScoreTable) -> OtherOrder | None:
    """Look for an order of rows in which a file of useless scores becomes a file of useful ones.

    The test: scores become ranks, and the mean rank of every group that the stated labels make (bona fide, each
    attack) is taken out, so that a system that is fooled by one attack is not taken for another order. For the labels
    of each order (the file's own, the corpus's, sorted by id; each also backwards; the corpus's dealt to 2, 4 or 8
    processes; bona fide first) the rank sum of the bona fide rows is computed for *every* rotation of the file at
    once, as a correlation. The null distribution is that of the rotations themselves: their robust spread, never
    below that of independent scores, so that scores that drift along a file widen it. An order is believed if its
    highest rotation is a shift by at most `MAX_SHIFT_ROWS` rows (backwards, dealt or by class: hardly any), exceeds
    the normal quantile of `FALSE_ALARM_RATE` divided by the number of orders and shifts (Bonferroni), and lowers the
    EER by a tenth or more to below `NEAR_CHANCE_EER`.

    On made files of 1,500 rows, useless systems whose scores are independent were never called shuffled, ones whose
    scores drift along a file in blocks of labels about once in a thousand; shuffled systems of 27 % EER and better
    were found in more than 95 of a hundred.

    What it cannot find: rows in a random order, files of a few hundred rows, or an order in which each class is one
    block of about half of the file: nothing tells that from scores that drift.

    Args:
        trials: joined from ``scores``, in the corpus's order.
        scores: in the file's order.

    Returns:
        The best order, or None: the system is not near chance, or no order fits.
    """
    stated = equal_error_rate(trials.bonafide_scores, trials.spoof_scores).value
    if abs(stated - 0.5) > 0.5 - NEAR_CHANCE_EER:
        return None
    rows = _rows_in_file_order(trials, scores)
    score, is_bonafide = rows["score"].to_numpy(), rows["is_bonafide"].to_numpy()
    if len(rows) <= 2 * MAX_SHIFT_ROWS or is_bonafide.all() or not is_bonafide.any():
        return None
    ranks = _ranks_beyond_labels(score, np.where(is_bonafide, -1, rows["attack"].to_numpy()))
    orders = _distinct(_orders(rows, is_bonafide))
    tried = sum(2 * order.max_shift_rows + 1 for order in orders)
    limit = NormalDist().inv_cdf(1 - FALSE_ALARM_RATE / tried)
    fits = [(order, *_best_rotation(ranks, order.is_bonafide)) for order in orders]
    believed = [fit for fit in fits if fit[2] > limit and abs(fit[1]) <= fit[0].max_shift_rows]
    if not believed:
        return None
    order, shift, z = max(believed, key=lambda fit: fit[2])
    eer = _eer(np.roll(score, -shift), order.is_bonafide)
    if eer >= NEAR_CHANCE_EER or eer > stated - _MIN_GAIN_EER:
        return None
    return OtherOrder(order.name, shift, eer, z)


def _rows_in_file_order(trials: Trials, scores: ScoreTable) -> pl.DataFrame:
    """Judged rows as the file has them, with the place of each in the corpus."""
    judged = trials.frame.select(
        "utterance",
        is_bonafide=pl.col("label") == Label.BONAFIDE.value,
        attack=pl.Series(trials.attack),
        place=pl.int_range(pl.len()),
    )
    known = scores.frame.unique("utterance", keep="first", maintain_order=True).select("utterance", "score")
    rows = known.join(judged, on="utterance", how="inner", maintain_order="left")
    return rows.filter(pl.col("score").is_finite().fill_null(False))


def _orders(rows: pl.DataFrame, is_bonafide: np.ndarray) -> Iterator[_Order]:
    """Labels in each order that a program may have gone through the corpus; first the file's own."""
    corpus = is_bonafide[rows["place"].arg_sort().to_numpy()]
    by_id = is_bonafide[rows["utterance"].arg_sort().to_numpy()]
    plain = {"their own order": is_bonafide, "the corpus's order": corpus, "the order of sorted ids": by_id}
    for name, labels in plain.items():
        yield _Order(name, labels, MAX_SHIFT_ROWS)
    for name, labels in plain.items():
        yield _Order(f"{name}, backwards", labels[::-1])
    for stride in _STRIDES:
        dealt = np.concatenate([corpus[first::stride] for first in range(stride)])
        yield _Order(f"the corpus's order dealt to {stride} processes", dealt)
    yield _Order("an order with all bona fide first", np.sort(is_bonafide)[::-1])


def _distinct(orders: Iterator[_Order]) -> list[_Order]:
    """The first of each; often the file is in the corpus's order, and that is sorted."""
    kept: dict[bytes, _Order] = {}
    for order in orders:
        kept.setdefault(order.is_bonafide.tobytes(), order)
    return list(kept.values())


def _ranks_beyond_labels(score: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Mid-ranks less the mean rank of their group [rows]."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    codes = group - group.min()
    means = np.bincount(codes, ranks) / np.maximum(np.bincount(codes), 1)
    return ranks - means[codes]


def _best_rotation(ranks: np.ndarray, labels: np.ndarray) -> tuple[int, float]:
    """The rotation whose bona fide rows have the highest ranks, signed, and its z.

    The circular cross-correlation by FFT is every rotation's rank sum; its variance over all permutations is exact.
    """
    rows, bonafide = len(ranks), int(labels.sum())
    sums = np.fft.irfft(np.fft.rfft(ranks) * np.conj(np.fft.rfft(labels.astype(float))), rows)
    variance = bonafide * (rows - bonafide) / (rows * (rows - 1)) * float(ranks @ ranks)
    if variance <= 0:
        return 0, 0.0
    z = sums / np.sqrt(variance)
    spread = max(1.0, _NORMAL_MAD * float(np.median(np.abs(z - np.median(z)))))
    best = int(np.argmax(z))
    return (best if best <= rows // 2 else best - rows), float(z[best]) / spread


def _eer(score: np.ndarray, is_bonafide: np.ndarray) -> float:
    return equal_error_rate(score[is_bonafide], score[~is_bonafide]).value
