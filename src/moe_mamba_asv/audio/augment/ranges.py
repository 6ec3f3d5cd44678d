"""Ranges that numbers are drawn from, checked where they are configured."""

from pydantic import AfterValidator


def within(lowest: float, highest: float) -> AfterValidator:
    """Check of a pair: lower end first, both finite and inside these bounds, which are included.

    ``Annotated[tuple[float, float], within(0, 1)]`` is a range inside 0 to 1; equal ends draw one number always.
    """

    def check(ends: tuple[float, float]) -> tuple[float, float]:
        low, high = ends
        if not lowest <= low <= high <= highest:
            raise ValueError(f"range {ends}; wanted lower end, then upper end, from {lowest:g} to {highest:g}")
        return ends

    return AfterValidator(check)
