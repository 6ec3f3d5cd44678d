"""What a model listens to by its own weights: layers of a self-supervised model, and the filters of sinc banks."""

from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.evaluation.result import Result


class LayerWeights(Result):
    """The learned mean of a self-supervised model's hidden states.

    Attributes:
        place: of the module in the model, such as ``frontends.0.mix``.
        shares: of each hidden state, from the one before the first layer to the last; they sum to 1.
        entropy: of the shares relative to equal ones: 1 where all weigh the same, 0 where one has everything.
        heaviest: which has the largest share, from 0.
    """

    place: str
    shares: tuple[float, ...]
    entropy: float
    heaviest: int


class SincFilter(Result):
    """A band-pass filter now, and where it started.

    Attributes:
        low_hz: lower edge.
        high_hz: upper edge.
        mask: how open its gate is, from 0 to 1; 1 where there is none.
        start_low_hz: lower edge at the start.
        start_high_hz: upper edge at the start.
        response_db: level of its answer, gate included, at each of the bank's frequencies.
    """

    low_hz: float
    high_hz: float
    mask: float
    start_low_hz: float
    start_high_hz: float
    response_db: tuple[float, ...]


class SincBankResult(Result):
    """The filters of a bank.

    Attributes:
        place: of the module in the model, such as ``frontends.1.bank``.
        learnable: whether training moves the edges.
        filters: in their order.
        frequencies_hz: at which responses are told, evenly from 0 to 8 kHz.
        summed_db: level of all filters' answers, as powers, at each frequency.
        start_summed_db: likewise, at the start.
        coverage: share of 0 to 8 kHz that the bank hears.
        fresh_coverage: of a freshly initialised bank of this size.
        heard: whether the bank hears each frequency.
        widest_gap_hz: (low, high) of the widest stretch that it does not hear; None where there is none.
        mean_shift_hz: mean of how far edges have moved, up or down, since the start.
        findings: ``uncovered_band``.
    """

    place: str
    learnable: bool
    filters: tuple[SincFilter, ...]
    frequencies_hz: tuple[float, ...]
    summed_db: tuple[float, ...]
    start_summed_db: tuple[float, ...]
    coverage: float
    fresh_coverage: float
    heard: tuple[bool, ...]
    widest_gap_hz: tuple[float, float] | None
    mean_shift_hz: float
    findings: tuple[Finding, ...]


class LayersResult(Result):
    """What was found of a model; empty where it has no such parts.

    Attributes:
        weights: of each learned mean of layers.
        banks: of sinc filters.
        findings: of all parts: ``single_layer`` for each mean of `diagnose_layers`' fewest layers or more, and
            ``uncovered_band`` for each bank.
    """

    weights: tuple[LayerWeights, ...]
    banks: tuple[SincBankResult, ...]
    findings: tuple[Finding, ...]
