"""What the two streams of a detector contribute to its decisions."""

from moe_mamba_asv.diagnostics.results.drift import EerShift
from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.evaluation.result import Result


class StreamBalance(Result):
    """One stream.

    Attributes:
        name: of its front-end.
        share: of the norm that both streams have in the fused frames, mean over clips.
        gate: mean of the fusion's gates on this stream; None where the fusion has none.
        gradient_share: of the score's first-order change if both streams were replaced by their means.
        score_change: root mean square change of the score when the stream is replaced by its mean over all clips and
            frames, in standard deviations of the score.
        pooled: the EER with both streams (before) and with this one replaced (after).
        attacks: likewise by attack.
        shares: ``share`` by attack; of bona fide speech under ``bonafide``.
    """

    name: str
    share: float
    gate: float | None
    gradient_share: float
    score_change: float
    pooled: EerShift
    attacks: dict[str, EerShift]
    shares: dict[str, float]


class StreamsResult(Result):
    """The balance of a detector's streams on a sample.

    Attributes:
        n: clips.
        streams: two, in the model's order.
        findings: a stream that the score does not depend on.
    """

    n: int
    streams: tuple[StreamBalance, StreamBalance]
    findings: tuple[Finding, ...]


class StreamsShift(Result):
    """How the balance changed from one checkpoint to another, on the same clips.

    Attributes:
        before: name of the first model.
        after: of the second.
        share: by stream, the second's share minus the first's.
        gradient_share: likewise.
        score_change: likewise.
        eer: of all clips, the second's minus the first's, with its paired interval.
        attacks: likewise by attack.
        findings: a stream that lost more than may be.
    """

    before: str
    after: str
    share: dict[str, float]
    gradient_share: dict[str, float]
    score_change: dict[str, float]
    eer: EerShift
    attacks: dict[str, EerShift]
    findings: tuple[Finding, ...]
