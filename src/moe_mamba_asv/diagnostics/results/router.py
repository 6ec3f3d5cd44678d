"""How the routers of a mixture of experts divide frames."""

from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.evaluation.result import Result


class RouterBlock(Result):
    """One router.

    Attributes:
        shares: of all choices that fell on each expert, every clip weighing the same.
        entropy: of the router's probabilities, mean over frames, in units of an undecided router's.
        evenness: entropy of ``shares``, in units of even shares'.
        groups: shares by attack; of bona fide speech under ``bonafide``.
    """

    shares: tuple[float, ...]
    entropy: float
    evenness: float
    groups: dict[str, tuple[float, ...]]


class RouterResult(Result):
    """The routers of a detector on a sample.

    Attributes:
        n: clips.
        blocks: routers, the first block's first.
        findings: experts that nobody asks, and routers that ask always the same.
    """

    n: int
    blocks: tuple[RouterBlock, ...]
    findings: tuple[Finding, ...]
