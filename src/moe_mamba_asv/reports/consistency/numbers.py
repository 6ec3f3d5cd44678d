"""Numbers as they are printed: value, unit, and the interval that the digits allow."""

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

Hedge = Literal["", "about", "below", "above"]

_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_])(?<!\d\.)(?P<sign>(?<![\w%)\]])[+\-−±↓↑]\s?)?"
    r"(?P<digits>(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,15})(?:\.\d{1,15})?)(?!\d)(?P<power>[eE][+\-−]?\d{1,2}(?!\d))?"
)
_UNITS = (
    ("points", re.compile(r"\s?(?:%?\s?(?:percentage[ -])?points?\b|pp\b|p\.p\.|个?百分点)")),
    ("%", re.compile(r"\s?(?:%|percent\b|per cent\b)")),
    ("times", re.compile(r"\s?(?:倍|×|[xX](?![A-Za-z0-9_])|times\b|-?fold\b)")),
)
_PHYSICAL = re.compile(r"\s?(ms|µs|us|ns|s|min|h|[KMG]i?B|k?Hz|dB|M|k|毫秒|秒|分钟|小时)(?![A-Za-z0-9])")
_ABOUT = re.compile(
    r"(?:~|≈|∼|大约|约|将近|近|about|around|roughly|approximately|nearly|almost|\bca\.?)\s*$", re.IGNORECASE
)
_BELOW = re.compile(r"(?:<=?|≤|不到|不足|at most|最多|至多|up to)\s*$", re.IGNORECASE)
_ABOVE = re.compile(r"(?:>=?|≥|至少|at least)\s*$", re.IGNORECASE)
#: Also the words of a comparison ("4 % is more than 2 %"), so only a claim's own hedge may be read from them.
_BELOW_WORD = re.compile(r"(?:低于|小于|below|under|less than|fewer than)\s*$", re.IGNORECASE)
_ABOVE_WORD = re.compile(r"(?:超过|高于|大于|over|above|more than)\s*$", re.IGNORECASE)
_ABOVE_AFTER = re.compile(r"\s?(?:多(?!\w)|以上|or more)")
_BELOW_AFTER = re.compile(r"\s?(?:以下|以内|or less)")

_NAME_BEFORE = re.compile(
    r"(?:phase|epochs?|layers?|stage|steps?|stream|table|figure|fig\.|section|algo(?:rithm)?|seed|track|top|asvspoof|"
    r"python|pytorch|version|第|阶段|图|表|附录)[ \-]?$",
    re.IGNORECASE,
)
_JOINT = r"(?:\s?(?:-|–|—|~|…|\.\.\.|/|×|\*|x|±)\s?|:)"
_JOINED_AFTER = re.compile(rf"{_JOINT}[<>~]?\d|\.\d")
_JOINED_BEFORE = re.compile(rf"(?<![A-Za-z0-9])\d[\d.,]*\s?%?{_JOINT}$")
#: Characters on both sides in which all that qualifies a number stands.
_BESIDE = 60
_IN_BRACKETS = re.compile(r"\[[^\[\]]{0,40}$")


@dataclass(frozen=True)
class Number:
    """One printed number.

    Attributes:
        text: as printed, with sign, hedge mark and unit.
        value: percent and points as a fraction; without the sign.
        step: one unit of the last printed digit.
        unit: ``%``, ``points``, ``times``, a physical unit, or empty.
        start: of the digits or sign in the text.
        end: after the unit.
        negative: a minus stands before.
        hedge: what the words or marks before say of it.
        comparative: the hedge is a word that may as well compare two numbers.
        free: it stands for a quantity: no name ("Phase 3"), range, product, date or interval.
    """

    text: str
    value: float
    step: float
    unit: str
    start: int
    end: int
    negative: bool = False
    hedge: Hedge = ""
    comparative: bool = False
    free: bool = True

    def interval(self) -> tuple[float, float]:
        """What the printed digits allow, rounding to the nearest taken for granted."""
        half = self.step / 2
        match self.hedge:
            case "about":
                return self.value - self.step, self.value + self.step
            case "below":
                return 0.0, self.value
            case "above":
                return self.value, math.inf
            case _:
                return self.value - half, self.value + half

    def as_unit(self, unit: str) -> "Number":
        """The same digits in another unit, e.g. that of its neighbour in "from 9.2 to 4.4 %"."""
        scale = _scale(unit) / _scale(self.unit)
        return replace(self, unit=unit, value=self.value * scale, step=self.step * scale)


def find_numbers(text: str) -> list[Number]:
    """All numbers of a text, those that are not free among them."""
    return [_number(text, match) for match in _NUMBER.finditer(text)]


def count_numbers(text: str) -> int:
    """How many numbers a text has, without a look at them."""
    return sum(1 for _ in _NUMBER.finditer(text))


def leading_number(cell: str) -> Number | None:
    """The number that a table's cell begins with, or None where it begins with words or holds a range."""
    numbers = find_numbers(cell)
    if not numbers or re.search(r"\w", cell[: numbers[0].start]) or not numbers[0].free:
        return None
    return numbers[0]


def _number(text: str, match: re.Match[str]) -> Number:
    digits = match["digits"].replace(",", "")
    exponent = int((match["power"] or "e0")[1:].replace("−", "-"))
    unit, end = _unit(text, match.end())
    scale = 10.0**exponent * _scale(unit)
    before, after = text[max(0, match.start() - _BESIDE) : match.start()], text[end : end + _BESIDE]
    hedge, comparative = _hedge(before, after)
    decimals = len(digits.partition(".")[2])
    if hedge == "about" and not decimals:
        # "about 50" does not claim the zero.
        decimals = len(digits.rstrip("0")) - len(digits) if digits.strip("0") else 0
    marks = re.search(r"[~≈∼<>≤≥=]+\s*$", before)
    return Number(
        text=((marks[0] if marks else "") + text[match.start() : end]).strip(),
        value=float(digits) * scale,
        step=10.0**-decimals * scale,
        unit=unit,
        start=match.start(),
        end=end,
        negative=(match["sign"] or " ")[0] in "-−",
        hedge=hedge,
        comparative=comparative,
        free=not (
            "±" in (match["sign"] or "")
            or _NAME_BEFORE.search(before)
            or _JOINED_AFTER.match(text, match.end())
            or _JOINED_AFTER.match(after)
            or _JOINED_BEFORE.search(before)
            or _IN_BRACKETS.search(before)
        ),
    )


def _scale(unit: str) -> float:
    return 0.01 if unit in ("%", "points") else 1.0


def _unit(text: str, end: int) -> tuple[str, int]:
    for unit, pattern in _UNITS:
        if found := pattern.match(text, end):
            return unit, found.end()
    found = _PHYSICAL.match(text, end)
    return (found[1], found.end()) if found else ("", end)


def _hedge(before: str, after: str) -> tuple[Hedge, bool]:
    if _ABOUT.search(before):
        return "about", False
    if _BELOW.search(before) or _BELOW_AFTER.match(after):
        return "below", False
    if _ABOVE.search(before) or _ABOVE_AFTER.match(after):
        return "above", False
    if _BELOW_WORD.search(before):
        return "below", True
    return ("above", True) if _ABOVE_WORD.search(before) else ("", False)
