"""The arithmetic: what the printed operands allow, against what the printed claim allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from moe_mamba_asv.reports.consistency.numbers import Number
from moe_mamba_asv.reports.consistency.result import Remark

Direction = Literal["", "down", "up"]

#: Of binary arithmetic on the decimals that a person prints; far below any printed digit.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Interval:
    """Everything between two numbers, ends included."""

    low: float
    high: float

    def meets(self, other: "Interval") -> bool:
        """Whether one number is in both."""
        return self.low <= other.high + _TOLERANCE and other.low <= self.high + _TOLERANCE

    def shifted(self, by: float) -> "Interval":
        """All of it moved."""
        return Interval(self.low + by, self.high + by)

    def over(self, other: "Interval") -> "Interval":
        """All ratios of numbers that are not negative."""
        high = math.inf if other.low <= 0 else self.high / other.low
        return Interval(0.0 if math.isinf(other.high) else self.low / other.high, high)

    def size(self) -> "Interval":
        """All absolute values."""
        if self.low >= 0:
            return self
        return Interval(-self.high, -self.low) if self.high <= 0 else Interval(0.0, max(-self.low, self.high))


@dataclass(frozen=True)
class Verdict:
    """What the operands allow, and whether the claim is within."""

    allowed: Interval
    holds: bool
    remark: Remark = ""


def judge_ratio(stated: Number, first: Number, second: Number, *, rise: bool = False) -> Verdict | None:
    """Judge "A against B: N times".

    Which is divided by which is taken from N: a multiple above one is the larger over the smaller.

    Args:
        stated: the multiple.
        first: operand.
        second: operand.
        rise: the words are "higher by" or "more": N may then be the ratio or the ratio minus one.

    Returns:
        None where the operands tell nothing: a divisor that may be zero.
    """
    larger, smaller = (first, second) if first.value >= second.value else (second, first)
    above, below = (larger, smaller) if stated.value >= 1 else (smaller, larger)
    if _may_vanish(below):
        return None
    claim, ratio = _of(stated), _of(above).over(_of(below))
    if claim.meets(ratio) or claim.meets(_of(below).over(_of(above))):
        return Verdict(ratio, holds=True, remark=_bound(first, second))
    if claim.meets(ratio.shifted(-1)):
        return Verdict(ratio, holds=rise, remark="off_by_one")
    return Verdict(ratio, holds=False, remark=_truncated(stated, ratio))


def judge_change(
    stated: Number, first: Number, second: Number, *, ordered: bool, direction: Direction = "", speed: bool = False
) -> Verdict | None:
    """Judge "from A to B, changed by N %".

    Args:
        stated: the percent change; its sign is not judged, since "+" is as often an improvement as an increase.
        first: operand; what a change is relative to if `ordered`.
        second: operand.
        ordered: the text says which came first. If it does not, the direction tells the base, or either may be it.
        direction: what the words say happened.
        speed: of a speed, so that the change of a duration is relative to the later one too.

    Returns:
        None where the operands tell nothing: a base that may be zero.
    """
    larger, smaller = (first, second) if first.value >= second.value else (second, first)
    pairs = [(first, second), (second, first)]
    if not ordered and direction:
        pairs = (
            [(larger, smaller), (smaller, larger)] if direction == "down" else [(smaller, larger), (larger, smaller)]
        )
    if any(_may_vanish(number) for pair in pairs for number in pair):
        return None
    claim = _of(stated)
    ratios = [_of(other).over(_of(base)) for base, other in pairs]
    changes = [ratio.shifted(-1).size() for ratio in ratios]
    fits = [claim.meets(change) for change in changes]
    either = speed or not (ordered or direction)
    if fits[0] or (fits[1] and either):
        went: Direction = "up" if second.value > first.value else "down"
        turned = ordered and direction and went != direction and not speed
        remark = "direction" if turned else _bound(first, second)
        return Verdict(changes[0 if fits[0] else 1], holds=True, remark=remark)
    if first.unit == "%" and claim.meets(_apart(first, second)):
        return Verdict(changes[0], holds=True, remark="points")
    if fits[1]:
        return Verdict(changes[0], holds=False, remark="other_base")
    if claim.meets(ratios[0]):
        return Verdict(changes[0], holds=False, remark="remaining" if ratios[0].low < 1 else "off_by_one")
    return Verdict(changes[0], holds=False, remark=_truncated(stated, changes[0]))


def judge_difference(stated: Number, first: Number, second: Number) -> Verdict:
    """Judge "A against B: N points apart"; the sign is not judged."""
    if stated.unit == "points" and first.unit != "%":
        stated = stated.as_unit("")
    apart, claim = _apart(first, second), _of(stated)
    if claim.meets(apart):
        return Verdict(apart, holds=True, remark=_bound(first, second))
    if first.unit == "%" and not _may_vanish(first):
        change = _of(second).over(_of(first)).shifted(-1).size()
        if claim.meets(change):
            return Verdict(apart, holds=False, remark="relative")
    return Verdict(apart, holds=False, remark=_truncated(stated, apart))


def judge_mean(stated: Number, numbers: Sequence[Number]) -> Verdict:
    """Judge "A, B, C: mean N", the plain mean of at least two numbers."""
    intervals = [_of(number) for number in numbers]
    mean = Interval(
        sum(interval.low for interval in intervals) / len(intervals),
        sum(interval.high for interval in intervals) / len(intervals),
    )
    holds = _of(stated).meets(mean)
    return Verdict(mean, holds=holds, remark=_bound(*numbers) if holds else _truncated(stated, mean))


def _of(number: Number) -> Interval:
    return Interval(*number.interval())


def _apart(first: Number, second: Number) -> Interval:
    one, two = _of(first), _of(second)
    return Interval(one.low - two.high, one.high - two.low).size()


def _may_vanish(number: Number) -> bool:
    """Whether the digits do not even tell the number from zero; a bound is a statement of its own."""
    return number.hedge != "below" and number.interval()[0] <= 0


def _bound(*operands: Number) -> Remark:
    return "bound" if any(number.hedge in ("below", "above") for number in operands) else ""


def _truncated(stated: Number, allowed: Interval) -> Remark:
    return "truncated" if Interval(stated.value, stated.value + stated.step).meets(allowed) else ""
