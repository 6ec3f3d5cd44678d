"""What a comparison answers: rates are fractions, a difference is A minus B, so below zero A makes fewer errors."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.base import misfit
from moe_mamba_asv.evaluation.result import AsvResult, Counts, Result

ComparedMeasure = Literal["eer", "min_tdcf_2019", "min_tdcf_2021"]
Verdict = Literal["A better", "B better", "no difference shown"]
FusionMethod = Literal["average", "logistic"]


class Difference(Result):
    """One measure of A minus that of B, on the same trials.

    Attributes:
        a: of A.
        b: of B.
        value: ``a - b``.
        ci: paired interval of the difference, or None where no bootstrap was asked for.
        p: two-sided, of "no difference", uncorrected; None likewise.
        p_corrected: after Holm over all attacks; None for groups of attacks, which belong to no family of tests.
        verdict: by ``p_corrected`` where there is one, else by ``p``; None without a bootstrap.
    """

    a: float
    b: float
    value: float
    ci: tuple[float, float] | None
    p: float | None
    p_corrected: float | None
    verdict: Verdict | None


class GroupComparison(Result):
    """A group of spoofed trials against all bona fide trials.

    Attributes:
        n: spoofed trials in the group.
        known: whether they are attacks that are also in training; None for both kinds, and where nobody says.
        differences: by measure; the costs are there where ASV scores are.
    """

    n: int
    known: bool | None
    differences: dict[ComparedMeasure, Difference]


class Correlation(Result):
    """How alike two systems score; None where one of them scores all of these trials the same."""

    pearson: float | None
    spearman: float | None


class PairComparison(Result):
    """Two systems.

    Attributes:
        a: name of A.
        b: name of B.
        pooled: all spoofed trials.
        known: attacks that are also in training; None if there are none.
        unknown: those that are not; None if there are none.
        attacks: by attack id, sorted.
        correlation: of all trials (``pooled``), which is high wherever both systems are good, and within each class.
    """

    a: str
    b: str
    pooled: GroupComparison
    known: GroupComparison | None
    unknown: GroupComparison | None
    attacks: dict[str, GroupComparison]
    correlation: dict[Literal["pooled", "bonafide", "spoof"], Correlation]


class Figure(Result):
    """One measure of one system; ``ci`` is None where no bootstrap was asked for."""

    value: float
    ci: tuple[float, float] | None


class SystemResult(Result):
    """One system on all trials; ``figures`` by measure."""

    system: str
    figures: dict[ComparedMeasure, Figure]


class Fusion(Result):
    """A weighted sum of systems: ``bias + sum over systems of weight * (score - mean) / scale``.

    Attributes:
        system: its name among the systems compared.
        method: ``average`` of normalised scores, or ``logistic`` regression.
        fitted_on: the trials that ``means``, ``scales`` and, of ``logistic``, the weights are of.
        systems: what is summed.
        means: by system, of its scores there.
        scales: by system, standard deviation there.
        weights: by system.
        bias: of the sum.
    """

    system: str
    method: FusionMethod
    fitted_on: str
    systems: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float


class InterpolationPoint(Result):
    """One mixture of two models' weights: the share of the second, and its EER on dev."""

    share: float = Field(ge=0, le=1)
    dev_eer: float = Field(ge=0, le=1)
    interval: tuple[float, float]


class Interpolation(Result):
    """What ``mma compare --interpolate A B --json`` printed.

    Attributes:
        models: A and B.
        clips: of dev, that each point was judged on.
        points: from A to B.
        out: where the best mixture was written, if anywhere.
    """

    models: tuple[str, str]
    clips: int
    points: tuple[InterpolationPoint, ...] = Field(min_length=1)
    out: str | None


class Comparison(Result):
    """Systems side by side on one partition of one corpus.

    Attributes:
        corpus: the corpus reader's name.
        partition: ``eval`` …; None where the corpus does not tell.
        counts: trials by class that all systems scored.
        failed: trials that a system could not score; in no figure.
        systems: in the order given; a fusion is the last.
        pairs: every two systems.
        fusion: None if nobody asked.
        interpolation: None if nobody gave one; its EERs are of dev.
        asv: the speaker verification behind the t-DCF; None without ASV scores.
        confidence: of every interval; a verdict needs a p-value below one minus this.
        n_bootstrap: resamples, the same for all systems; 0 for none.
        cluster: column whose values were drawn in place of single trials; None where trials were.
        seed: of the bootstrap.
        warnings: what makes the figures suspect.
        notes: choices that a reader must know.
    """

    corpus: str
    partition: str | None
    counts: Counts
    failed: int
    systems: tuple[SystemResult, ...]
    pairs: tuple[PairComparison, ...]
    fusion: Fusion | None
    interpolation: Interpolation | None
    asv: AsvResult | None
    confidence: float = Field(gt=0, lt=1)
    n_bootstrap: int
    cluster: str | None
    seed: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; absent figures are None."""
        return self.model_dump(mode="json")


def read_interpolation(file: Path) -> Interpolation:
    """Read what ``mma compare --interpolate A B --json`` printed.

    Raises:
        ScoreError: not such a file; names what does not fit.
    """
    try:
        return Interpolation.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise ScoreError(
            misfit(file, error),
            wanted="the output of mma compare --interpolate A B --json",
        ) from error
