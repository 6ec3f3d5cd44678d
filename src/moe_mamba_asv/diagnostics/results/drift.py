"""What a change does to an EER."""

from moe_mamba_asv.evaluation.result import Result


class EerShift(Result):
    """An EER before and after a change, on the same clips.

    Attributes:
        n: spoofed clips; all bona fide ones stand against them.
        before: fraction.
        after: fraction.
        change: after minus before.
        ci: its paired 95 % interval over clips.
    """

    n: int
    before: float
    after: float
    change: float
    ci: tuple[float, float]
