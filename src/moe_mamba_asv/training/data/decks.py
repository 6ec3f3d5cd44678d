"""Draws without replacement, in stated shares, that can be computed from any draw on.

The endless sequence of draws of a run is cut up like cards: a `Split` says which share of the first n draws falls to
each of its parts, so the draws n to m of a run are draws n' to m' of a part, and a `Deck` deals its own draws from
one permutation after the other. Nothing is carried from step to step.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.output import LABEL_ORDER
from moe_mamba_asv.training.data.mixture import Mixture

Rows = NDArray[np.int64]
Balance = Literal["none", "class", "attack"]
#: One way to tell rows apart: the group of every row of the table, and the weight of every group (None: all equal).
Level = tuple[Rows, Sequence[Fraction] | None]

#: Last word of a deck's key, so that its draws share no generator with crops, which are drawn from (seed, step, row).
_DECK = 1


class Deck:
    """Rows that are dealt until all are out, then shuffled anew.

    Args:
        rows: (rows,); a row that is in it twice is dealt twice a round.
        seed: of the run.
        key: what tells this deck from the other ones of the run.
    """

    def __init__(self, rows: Rows, seed: int, *key: int) -> None:
        self.rows, self.seed, self.key = rows, seed, key
        self._shuffled: tuple[int, Rows] | None = None

    def deal(self, start: int, stop: int) -> list[Rows]:
        """The draws from ``start`` to before ``stop``, as the one hand of this deck."""
        hand = [np.zeros(0, np.int64)]
        while start < stop:
            number, first = divmod(start, len(self.rows))
            last = min(len(self.rows), first + stop - start)
            hand.append(self._round(number)[first:last])
            start += last - first
        return [np.concatenate(hand)]

    def _round(self, number: int) -> Rows:
        """All rows in the order of a round; the last one asked for is kept, as steps are asked for in turn."""
        if self._shuffled is None or self._shuffled[0] != number:
            order = np.random.default_rng([self.seed, number, *self.key]).permutation(len(self.rows))
            self._shuffled = number, self.rows[order]
        return self._shuffled[1]


class Split:
    """Draws that fall to several parts by weight.

    Args:
        parts: decks, or splits of their own.
        weights: one for each part.
    """

    def __init__(self, parts: Sequence["Deck | Split"], weights: Sequence[Fraction]) -> None:
        self.parts, self.weights = parts, weights

    def deal(self, start: int, stop: int) -> list[Rows]:
        """The draws from ``start`` to before ``stop``: a hand from each deck, always in the same order of decks."""
        firsts, lasts = shares(start, self.weights), shares(stop, self.weights)
        dealt = [part.deal(*bounds) for part, *bounds in zip(self.parts, firsts, lasts, strict=True)]
        return [hand for hands in dealt for hand in hands]


def shares(count: int, weights: Sequence[Fraction]) -> list[int]:
    """How many of the first ``count`` draws fall to each weight: sums up to ``count`` and never falls with it.

    Equal weights take turns; any weights get their share of any window of draws but for rounding.
    """
    total, given = sum(weights, Fraction(0)), []
    for weight in weights:
        given.append(int(count * weight / total))
        count, total = count - given[-1], total - weight
    return given


def build_decks(mixture: Mixture, balance: Balance, seed: int) -> Deck | Split:
    """The decks of a run: classes evenly if asked for, then corpora by weight if stated, then attacks evenly.

    A corpus without bona fide (or spoofed) clips has no part in that class; the other corpora share it.

    Raises:
        TrainingError: a balance is asked for and a class is missing.
    """
    table = mixture.table
    labels = np.array([LABEL_ORDER.index(label) for label in table["label"]], np.int64)
    if balance != "none" and len(np.unique(labels)) < len(LABEL_ORDER):
        raise TrainingError(
            f"balance {balance!r} of {table['label'][0]} clips alone",
            wanted="bona fide and spoofed clips",
            remedy="balance 'none', or a further corpus",
        )
    levels: list[Level] = []
    if balance != "none":
        levels.append((labels, None))
    if mixture.weights is not None:
        levels.append((table["domain"].to_numpy(), mixture.weights))
    if balance == "attack":
        levels.append((table["attack_index"].to_numpy(), None))
    return _divide(np.arange(len(table)), levels, seed)


def _divide(rows: Rows, levels: Sequence[Level], seed: int) -> Deck | Split:
    if not levels:
        return Deck(rows, seed, int(rows[0]), _DECK)
    (group_of_row, weights), *further = levels
    groups = np.unique(group_of_row[rows])
    parts = [_divide(rows[group_of_row[rows] == group], further, seed) for group in groups]
    return Split(parts, [Fraction(1) if weights is None else weights[group] for group in groups])
