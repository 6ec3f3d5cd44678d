"""What an evaluation answers: fractions, counts, and everything that a reader must know beside them."""

from typing import Any

from pydantic import Field

from moe_mamba_asv.evaluation.base import Result
from moe_mamba_asv.evaluation.use.result import CalibratedResult, DecisionsResult, TandemResult


class Counts(Result):
    """Trials that the figures are made of."""

    bonafide: int
    spoof: int


class GroupResult(Result):
    """A group of spoofed trials against all bona fide trials.

    Attributes:
        n: spoofed trials in the group.
        eer: fraction.
        eer_ci: its interval, or None where no bootstrap was asked for.
    """

    n: int
    eer: float
    eer_ci: tuple[float, float] | None


class AttackResult(GroupResult):
    """One attack; ``known`` is None where the corpus has no catalogue entry for it."""

    known: bool | None


class AsvResult(Result):
    """The speaker verification that a t-DCF was computed with, at its own EER threshold; fractions."""

    threshold: float
    eer: float
    p_fa: float
    p_miss: float
    p_miss_spoof: float


class Pooled(Result):
    """Figures of all trials together; the costs are None without ASV scores."""

    eer: float
    min_tdcf_2019: float | None
    min_tdcf_2021: float | None


class AttackShare(Result):
    """What one attack has in the errors at the threshold of the pooled EER.

    Attributes:
        accepted: its trials that are taken for bona fide there.
        n: its trials.
        share_of_errors: of all spoofed trials that are accepted.
        share_of_trials: of all spoofed trials.
    """

    accepted: int
    n: int
    share_of_errors: float
    share_of_trials: float


class WhatIf(Result):
    """Pooled figures as they are, and as they would be if attacks had the EERs that are given here.

    Attributes:
        attacks: EER that was reached by attack id; one trial apart from what was asked for, at most.
        now: as it is.
        then: as it would be.
    """

    attacks: dict[str, float]
    now: Pooled
    then: Pooled


class Evaluation(Result):
    """Figures of one system on one partition of one corpus; rates are fractions.

    Attributes:
        system: who answered; empty if nobody said.
        corpus: the corpus reader's name.
        partition: ``eval`` …; None where the corpus does not tell.
        counts: scored trials by class.
        failed: trials without a score; in no figure.
        eer: equal error rate of all trials.
        eer_ci: its interval at ``confidence``, or None where no bootstrap was asked for.
        threshold: of the EER; accept where the score is above it.
        min_tdcf_2019: legacy form; None without ASV scores.
        min_tdcf_2021: revised form, not comparable with the legacy one; None without ASV scores.
        min_tdcf_2019_ci: its interval, or None; the ASV system stays as it is.
        min_tdcf_2021_ci: likewise.
        asv: None without ASV scores.
        auc: probability that a bona fide trial has the higher score of a pair, ties one half.
        eer_of_hull: the EER on the convex hull of the ROC; at most the EER.
        min_dcf: minimum of the detection cost of ASVspoof 5, Track 1.
        min_cllr: what calibration alone could leave of Cllr, in bits.
        attacks: by attack id, sorted; empty where the corpus does not tell.
        known: the attacks that are also in training; None if there are none.
        unknown: those that are not; None if there are none.
        shares_of_errors: by attack id: which attacks the errors at the pooled threshold are of.
        without_attack: by attack id: the pooled figures with that attack left out.
        what_if: None where nobody asked.
        calibrated: the scores as log-likelihood ratios and probabilities; None where they are not calibrated.
        decisions: at a threshold that was asked for, or that the calibration implies; None without either.
        tandem: in front of an ASV system; None without its score of every trial.
        confidence: of every interval.
        n_bootstrap: replicates of every interval.
        cluster: column whose values were drawn in place of single trials; None where trials were.
        seed: of the bootstrap.
        warnings: what makes the figures suspect.
        notes: choices that a reader must know.
    """

    system: str
    corpus: str
    partition: str | None
    counts: Counts
    failed: int
    eer: float
    eer_ci: tuple[float, float] | None
    threshold: float
    min_tdcf_2019: float | None
    min_tdcf_2021: float | None
    min_tdcf_2019_ci: tuple[float, float] | None = None
    min_tdcf_2021_ci: tuple[float, float] | None = None
    asv: AsvResult | None
    auc: float | None = None
    eer_of_hull: float | None = None
    min_dcf: float | None = None
    min_cllr: float | None = None
    attacks: dict[str, AttackResult]
    known: GroupResult | None
    unknown: GroupResult | None
    shares_of_errors: dict[str, AttackShare] = Field(default_factory=dict)
    without_attack: dict[str, Pooled] = Field(default_factory=dict)
    what_if: WhatIf | None = None
    calibrated: CalibratedResult | None = None
    decisions: DecisionsResult | None = None
    tandem: TandemResult | None = None
    confidence: float = Field(gt=0, lt=1)
    n_bootstrap: int
    cluster: str | None = None
    seed: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`; absent figures are None."""
        return self.model_dump(mode="json")
