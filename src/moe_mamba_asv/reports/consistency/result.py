"""What the check of a written report answers: every claim that could be judged, with the operands that judged it."""

from typing import Literal

from moe_mamba_asv.evaluation.result import Result

ClaimKind = Literal["ratio", "relative_change", "difference", "mean", "label"]

#: Why a claim does not hold, or under which reading it does; empty where there is nothing to say.
#:
#: ``off_by_one``: the ratio minus one was stated as the ratio (or, of a change, the ratio as the change).
#: ``other_base``: right as a change of the second operand, not of the first.
#: ``remaining``: what is left was stated in place of what went.
#: ``points``: holds as a difference in percentage points, not as a relative change.
#: ``relative``: a relative change was called points.
#: ``direction``: the size is right; the words go up where the numbers go down or the other way round, which is right
#: only of something that falls as they rise, such as "performance" for an error rate.
#: ``truncated``: digits were cut off in place of rounding.
#: ``bound``: an operand is only a bound ("< 1 %"), so the claim is possible rather than shown.
#: ``catalogue``: the attacks' published catalogue says otherwise.
Remark = Literal[
    "",
    "off_by_one",
    "other_base",
    "remaining",
    "points",
    "relative",
    "direction",
    "truncated",
    "bound",
    "catalogue",
]


class Operand(Result):
    """One number or attack that a claim was judged by.

    Attributes:
        text: as printed, e.g. ``~0.5%`` or ``A19``.
        line: where it stands, from 1.
        where: row and column of a table; empty in prose.
        low: least value that the printed digits allow; percent as a fraction; None for an attack.
        high: greatest; None for an attack or where there is no limit.
    """

    text: str
    line: int
    where: str = ""
    low: float | None = None
    high: float | None = None


class Claim(Result):
    """One statement that could be judged.

    Attributes:
        line: where it stands, from 1.
        text: the line, or the table's row.
        kind: what was stated.
        stated: the claim as printed.
        value: what it says; percent as a fraction; None for a label.
        operands: what it was judged by, in the order of the text.
        low: least value that the operands allow; None for a label.
        high: greatest; None for a label or where there is no limit.
        holds: whether claim and operands can both be right, each within its rounding.
        remark: see `Remark`.
        against: attacks for which a label is wrong.
    """

    line: int
    text: str
    kind: ClaimKind
    stated: str
    value: float | None
    operands: tuple[Operand, ...]
    low: float | None = None
    high: float | None = None
    holds: bool
    remark: Remark = ""
    against: tuple[str, ...] = ()


class ConsistencyCheck(Result):
    """All that was judged in one file.

    Attributes:
        file: its name, without the folder.
        sha256: of its bytes.
        judged: number of claims by kind; a kind that was not met is absent.
        claims: in the order of the lines.
    """

    file: str
    sha256: str
    judged: dict[ClaimKind, int]
    claims: tuple[Claim, ...]

    @property
    def wrong(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(claim for claim in self.claims if not claim.holds)
