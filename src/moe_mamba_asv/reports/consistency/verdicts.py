"""From a verdict to the claim that a reader sees."""

import math

from moe_mamba_asv.reports.consistency.judging import Verdict
from moe_mamba_asv.reports.consistency.numbers import Number
from moe_mamba_asv.reports.consistency.reading import Line
from moe_mamba_asv.reports.consistency.result import Claim, ClaimKind, Operand


def operand_of(number: Number, line: int, where: str = "") -> Operand:
    """A number as an operand, with the interval of its digits."""
    low, high = number.interval()
    return Operand(text=number.text, line=line, where=where, low=low, high=_finite(high))


def claim_of(line: Line, kind: ClaimKind, stated: Number, operands: tuple[Operand, ...], verdict: Verdict) -> Claim:
    """A number's claim with what it was judged by."""
    return Claim(
        line=line.number,
        text=line.raw,
        kind=kind,
        stated=stated.text,
        value=stated.value,
        operands=operands,
        low=verdict.allowed.low,
        high=_finite(verdict.allowed.high),
        holds=verdict.holds,
        remark=verdict.remark,
    )


def _finite(high: float) -> float | None:
    return high if math.isfinite(high) else None
