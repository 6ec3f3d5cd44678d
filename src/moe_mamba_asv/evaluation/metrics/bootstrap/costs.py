"""Detection costs in the one form that they share: linear in misses and false alarms."""

from dataclasses import dataclass

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.dcf import DcfCosts
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint, tdcf_weights_2019, tdcf_weights_2021


@dataclass(frozen=True)
class LinearCost:
    """``(offset + miss_weight p_miss + fa_weight p_fa) / (offset + min(miss_weight, fa_weight))``.

    Raises:
        ScoreError: errors of one kind would cost nothing.
    """

    miss_weight: float
    fa_weight: float
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.miss_weight <= 0 or self.fa_weight <= 0:
            raise ScoreError(
                f"a miss costs {self.miss_weight:.4g} and a false alarm {self.fa_weight:.4g}",
                wanted="both above zero",
                remedy="other ASV scores: these reject nearly every target or every spoofed trial",
            )

    @property
    def useless(self) -> float:
        """The cost of accepting or rejecting everything, whichever is cheaper."""
        return self.offset + min(self.miss_weight, self.fa_weight)


def linear_costs(asv: AsvOperatingPoint | None, dcf: DcfCosts | None) -> dict[str, LinearCost]:
    """The costs that were asked for, by the names of their minima.

    Args:
        asv: of both forms of the t-DCF; None leaves them out.
        dcf: of the cost of the countermeasure alone; None leaves it out.
    """
    costs = {}
    if asv is not None:
        offset, miss_weight, fa_weight = tdcf_weights_2021(asv)
        costs["min_tdcf_2019"] = LinearCost(*tdcf_weights_2019(asv))
        costs["min_tdcf_2021"] = LinearCost(miss_weight, fa_weight, offset)
    if dcf is not None:
        costs["min_dcf"] = LinearCost(dcf.miss_weight, dcf.fa_weight)
    return costs
