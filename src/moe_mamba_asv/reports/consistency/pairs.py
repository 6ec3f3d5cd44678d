"""Numbers of a sentence that belong together: "A → B", "from A to B", "A vs B", "A is N times B", "A, B and C"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from moe_mamba_asv.reports.consistency.numbers import Number

_ARROW = re.compile(r"[^,，;；]{0,20}(?:→|->|⇒|=>|➜|➝|⟶|—>)[^,，;；]{0,20}")
_TO = re.compile(
    r"[^;；]{0,40}(?:\bto\b|[降升提减增高低少加化善]\w{0,3}[至到]|[降升变改]为|[到至])[^;；]{0,30}", re.IGNORECASE
)
_FROM = re.compile(r"\bfrom\b|从|由|自", re.IGNORECASE)
_MOVED_ZH = re.compile(r"[降升提减增化善][低高升少加长]?了?[至到]")
_AGAINST = re.compile(
    r"[^;；→]{0,50}(?:\bvs\b|\bversus\b|\bagainst\b|\bcompared (?:with|to)\b|\bthan\b|高于|低于|对比|相较|相比|多于|"
    r"大于|小于|优于|劣于|差于|(?<![对相])比(?![较例值]))[^;；→]{0,50}",
    re.IGNORECASE,
)
_IS = re.compile(r"[^,，;；\d]{0,30}?(?:\b(?:is|are|was|were)\b|是|为|=)[^,，;；\d]{0,12}", re.IGNORECASE)
_TIMES_OF = re.compile(
    r"\s*(?:(?:as|more|higher|larger|greater|lower|smaller)\b[\w\s]{0,12}?\b(?:as|than)\b|the|that of|of)?"
    r"[^,，;；.。\d:()]{0,25}\(?\s*",
    re.IGNORECASE,
)
_OF_ZH = re.compile(r"[^,，;；。\d]{0,12}的\s*(?:约|近|大约|将近)?\s*[~≈]?\s*")
_LISTED = re.compile(r"\s*(?:[,，、/]\s*(?:and\b)?|and\b|和|与|及|以及)\s*")


@dataclass(frozen=True)
class Pair:
    """Two operands in the order of the text; ``ordered`` if the first is what was before."""

    first: Number
    second: Number
    ordered: bool


def in_units_of_next(numbers: Sequence[Number], text: str) -> list[Number]:
    """Bare numbers in the unit that follows the next one, where both stand in one phrase: "143 against 246 ms"."""
    return [*(_in_unit_of(number, later, text) for number, later in pairwise(numbers)), *numbers[-1:]]


def find_pairs(numbers: Sequence[Number], claims: Sequence[Number], text: str) -> list[Pair]:
    """Neighbours that the words between make a pair; of a chain of arrows also its two ends.

    Args:
        numbers: quantities of a sentence, without the claims.
        claims: what is no operand; a claim between two numbers keeps them apart.
        text: the sentence.
    """
    found: list[Pair] = []
    start = 0
    for first, second in pairwise(numbers):
        gap, earlier, start = text[first.end : second.start], text[start : first.start], first.end
        if first.unit != second.unit or first.negative or second.negative:
            continue
        if any(first.end <= claim.start < second.start for claim in claims):
            continue
        if _ARROW.fullmatch(gap):
            chained = [pair for pair in found if pair.ordered and pair.second is first]
            found += [Pair(pair.first, second, ordered=True) for pair in chained]
            found.append(Pair(first, second, ordered=True))
        elif _TO.fullmatch(gap) and (_FROM.search(earlier) or _MOVED_ZH.search(gap)):
            found.append(Pair(first, second, ordered=True))
        elif _AGAINST.fullmatch(gap):
            # The word that compares the two is no bound: "4 % is more than 2 %".
            compared = replace(second, hedge="", comparative=False) if second.comparative else second
            found.append(Pair(first, compared, ordered=False))
    return found


def find_pair_around(stated: Number, numbers: Sequence[Number], text: str) -> Pair | None:
    """Operands on both sides of a multiple, "4.4 % is 5.3 times 0.83 %", or before it, "4.4%是0.83%的5.3倍"."""
    before = [number for number in numbers if number.end <= stated.start]
    after = [number for number in numbers if number.start >= stated.end]
    if len(before) > 1 and _OF_ZH.fullmatch(text, before[-1].end, stated.start):
        first, second = before[-2:]
        if first.unit == second.unit and _IS.fullmatch(text, first.end, second.start):
            return Pair(first, second, ordered=False)
    if not (before and after) or before[-1].unit != after[0].unit:
        return None
    first, second = before[-1], after[0]
    is_times = _IS.fullmatch(text, first.end, stated.start) and _TIMES_OF.fullmatch(text, stated.end, second.start)
    compared = replace(second, hedge="", comparative=False) if second.comparative else second
    return Pair(first, compared, ordered=False) if is_times else None


def list_before(stated: Number, numbers: Sequence[Number], text: str) -> tuple[Number, ...]:
    """The enumeration that ends before a number, if all of it is in that number's unit and nothing in it negative."""
    listed: list[Number] = []
    for number in reversed([number for number in numbers if number.end <= stated.start]):
        if listed and not _LISTED.fullmatch(text, number.end, listed[0].start):
            break
        listed.insert(0, number if number.unit else number.as_unit(stated.unit))
    one_kind = {(number.unit, number.negative) for number in listed} == {(stated.unit, False)}
    return tuple(listed) if one_kind else ()


def _in_unit_of(number: Number, later: Number, text: str) -> Number:
    gap = text[number.end : later.start]
    apart = number.unit or not later.unit or len(gap) > 40 or re.search(r"[;；()]", gap)
    return number if apart else number.as_unit(later.unit)
