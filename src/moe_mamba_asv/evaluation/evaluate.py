"""Trials become figures: EER, t-DCF in both forms, per attack, known and unknown, with intervals."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.auc import auc
from moe_mamba_asv.evaluation.metrics.bootstrap import (
    Replicates,
    Spoken,
    clustered_bootstrap,
    eer_interval,
    stratified_bootstrap,
)
from moe_mamba_asv.evaluation.metrics.cllr import min_cllr
from moe_mamba_asv.evaluation.metrics.dcf import min_dcf
from moe_mamba_asv.evaluation.metrics.det import DetSteps, det_steps
from moe_mamba_asv.evaluation.metrics.eer import eer_of_steps
from moe_mamba_asv.evaluation.metrics.hull import eer_of_hull
from moe_mamba_asv.evaluation.metrics.tdcf import AsvOperatingPoint, min_tdcf_2019, min_tdcf_2021
from moe_mamba_asv.evaluation.result import AsvResult, AttackResult, Counts, Evaluation, GroupResult
from moe_mamba_asv.evaluation.use.asv_trials import TandemScores
from moe_mamba_asv.evaluation.use.calibrated import calibration_notes, judge_calibrated, stated_prior
from moe_mamba_asv.evaluation.use.decide import decide
from moe_mamba_asv.evaluation.use.tandem import judge_tandem
from moe_mamba_asv.evaluation.what_if import shares_of_errors, what_if, without_each_attack
from moe_mamba_asv.scores import name_some

CONFIDENCE = 0.95
#: From here on an EER is called near chance even if its interval excludes one half.
_NEAR_CHANCE = 0.45


@dataclass(frozen=True)
class _Judge:
    """Judges one group of spoofed trials after another against the same bona fide trials."""

    trials: Trials
    n_bootstrap: int
    rng: np.random.Generator
    cluster: str | None

    def judge(self, rows: np.ndarray) -> GroupResult:
        """The EER of the spoofed trials in these rows (bool [trials]), and its interval."""
        return self.judge_steps(det_steps(self.trials.bonafide_scores, self.trials.score[rows]), rows)

    def judge_steps(self, steps: DetSteps, rows: np.ndarray) -> GroupResult:
        """The same, where the steps are already counted."""
        interval = None
        if self.n_bootstrap and self.cluster is None:
            interval = eer_interval(steps, replicates=self.n_bootstrap, rng=self.rng, confidence=CONFIDENCE)
        elif self.n_bootstrap:
            interval = self.replicates(rows, None).interval("eer", confidence=CONFIDENCE)
        return GroupResult(n=steps.spoof, eer=eer_of_steps(steps).value, eer_ci=interval)

    def replicates(self, rows: np.ndarray, asv: AsvOperatingPoint | None) -> Replicates:
        """Figures of resampled trials, or of resampled speakers."""
        chosen = {"replicates": self.n_bootstrap, "rng": self.rng, "asv": asv, "dcf": None}
        if self.cluster is None:
            return stratified_bootstrap(self.trials.bonafide_scores, {"": self.trials.score[rows]}, **chosen)
        of = self.trials.frame[self.cluster].to_numpy()
        score, bonafide = self.trials.score, self.trials.is_bonafide
        return clustered_bootstrap(Spoken(score[bonafide], of[bonafide]), {"": Spoken(score[rows], of[rows])}, **chosen)

    def tdcf_intervals(self, rows: np.ndarray, asv: AsvOperatingPoint | None) -> dict[str, tuple[float, float]]:
        """Of both forms of the t-DCF; none without ASV scores or without a bootstrap."""
        if asv is None or not self.n_bootstrap:
            return {}
        found = self.replicates(rows, asv)
        names = ("min_tdcf_2019", "min_tdcf_2021")
        return {f"{name}_ci": found.interval(name, confidence=CONFIDENCE) for name in names}


def evaluate(
    trials: Trials,
    *,
    asv: AsvScores | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
    system: str = "",
    wanted_eers: Mapping[str, float] | None = None,
    cluster: str | None = None,
    prior: float | None = None,
    threshold: float | None = None,
    tandem: TandemScores | None = None,
) -> Evaluation:
    """Judge one system.

    Scores are never flipped: an EER above one half is reported as it is, with a warning. Where the scores have
    log-likelihood ratios beside them, these are judged too.

    Args:
        trials: what `join` answers.
        asv: scores of an ASV system on the same partition; without them there is no t-DCF.
        n_bootstrap: replicates of every EER interval; 0 leaves the intervals out.
        seed: of the bootstrap; the same seed gives the same intervals.
        system: overrides the name in the score file.
        wanted_eers: by attack id, for `what_if`.
        cluster: column whose values are drawn in place of single trials, such as ``speaker``: the intervals then speak
            of other speakers too, and are wider.
        prior: share of bona fide audio that calibrated scores shall suppose; None takes what the score file states, or
            one half.
        threshold: for decisions, on the scale of the scores; None takes what the calibration implies at the prior.
        tandem: what `pair_scores` answers, for a-DCF and t-EER; the a-DCF takes the threshold of the decisions that was
            asked for, or that of the EER.

    Raises:
        ScoreError: the ASV scores cannot be used.
        ConfigError: an EER is wanted of an attack that is not there, the corpus does not have the column, a prior is
            stated for scores that are not calibrated, or a threshold is not finite.
    """
    refuse_unknown_cluster(trials, cluster)
    judge = _Judge(trials, n_bootstrap, np.random.default_rng(seed), cluster)
    steps = det_steps(trials.bonafide_scores, trials.spoof_scores)
    whole = judge.judge_steps(steps, ~trials.is_bonafide)
    attacks = {name: _judge_attack(name, trials, judge) for name in trials.attack_names}
    point = asv.operating_point if asv else None
    eer_threshold, prior = eer_of_steps(steps).threshold, stated_prior(trials, prior)
    return Evaluation(
        system=system or trials.system,
        corpus=trials.corpus,
        partition=trials.partition,
        counts=Counts(bonafide=steps.bonafide, spoof=steps.spoof),
        failed=len(trials.failed),
        eer=whole.eer,
        eer_ci=whole.eer_ci,
        threshold=eer_threshold,
        min_tdcf_2019=min_tdcf_2019(steps, point) if point else None,
        min_tdcf_2021=min_tdcf_2021(steps, point) if point else None,
        **judge.tdcf_intervals(~trials.is_bonafide, point),
        asv=AsvResult(**asdict(point)) if point else None,
        auc=auc(steps),
        eer_of_hull=eer_of_hull(steps),
        min_dcf=min_dcf(steps),
        min_cllr=min_cllr(steps),
        attacks=attacks,
        known=_judge_attacks_where(True, attacks, trials, judge),
        unknown=_judge_attacks_where(False, attacks, trials, judge),
        shares_of_errors=shares_of_errors(trials),
        without_attack=without_each_attack(trials, asv=asv),
        what_if=what_if(trials, wanted_eers, asv=asv) if wanted_eers else None,
        calibrated=judge_calibrated(trials, prior),
        decisions=decide(trials, threshold, prior),
        tandem=judge_tandem(tandem, eer_threshold if threshold is None else threshold) if tandem else None,
        confidence=CONFIDENCE,
        n_bootstrap=n_bootstrap,
        cluster=cluster,
        seed=seed,
        warnings=(
            *trials.warnings,
            *_chance_warnings(whole, attacks),
            *_asv_warnings(trials, asv),
            *(tandem.warnings if tandem else ()),
        ),
        notes=(
            *trials.notes,
            *_notes(whole, attacks),
            *_asv_notes(trials, asv),
            *calibration_notes(trials),
            *(tandem.notes if tandem else ()),
        ),
    )


def _judge_attack(name: str, trials: Trials, judge: _Judge) -> AttackResult:
    published = trials.catalogue.get(name)
    result = judge.judge(trials.attack == trials.attack_names.index(name))
    return AttackResult(n=result.n, eer=result.eer, eer_ci=result.eer_ci, known=published.known if published else None)


def _judge_attacks_where(
    known: bool, attacks: dict[str, AttackResult], trials: Trials, judge: _Judge
) -> GroupResult | None:
    """All attacks together that are known, or unknown; None if there are none."""
    codes = [code for code, name in enumerate(trials.attack_names) if attacks[name].known is known]
    return judge.judge(np.isin(trials.attack, codes)) if codes else None


def refuse_unknown_cluster(trials: Trials, cluster: str | None) -> None:
    """Stop where clusters shall be drawn, but not every trial has one.

    Raises:
        ConfigError: the corpus does not have the column, or not for every trial.
    """
    if cluster is not None and (cluster not in trials.frame.columns or trials.frame[cluster].null_count()):
        raise ConfigError(
            f"trials without a {cluster}, by which the intervals were to be drawn",
            wanted="the value of every trial",
            remedy="another column, or intervals over trials",
        )


def _chance_warnings(whole: GroupResult, attacks: dict[str, AttackResult]) -> list[str]:
    warnings = []
    chance_is_inside = whole.eer_ci is not None and whole.eer_ci[0] <= 0.5 <= whole.eer_ci[1]
    if whole.eer > 0.5:
        warnings.append(
            f"EER {whole.eer:.2%} is above 50 %: the scores are probably reversed (higher must mean bona fide); "
            "they were not flipped"
        )
    if chance_is_inside or _NEAR_CHANCE <= whole.eer <= 0.5:
        warnings.append(f"EER {whole.eer:.2%} is near 50 %: the system hardly does better than chance")
    beyond = [name for name, attack in attacks.items() if attack.eer > 0.5]
    if beyond and whole.eer <= 0.5:
        warnings.append(f"EER above 50 % for {name_some(beyond, 20)}: taken for bona fide more often than bona fide is")
    return warnings


def _asv_warnings(trials: Trials, asv: AsvScores | None) -> list[str]:
    """ASV scores of another partition would give a t-DCF that looks right and is not."""
    strangers = [name for name in trials.attack_names if asv and name not in asv.attack_counts]
    if asv is None or not strangers:
        return []
    there = name_some(list(asv.attack_counts), 3)
    return [
        f"the ASV scores {asv.source.name} are of another partition: they have {there} but not {name_some(strangers)}; "
        "both min t-DCF are wrong"
    ]


def _asv_notes(trials: Trials, asv: AsvScores | None) -> list[str]:
    if asv is None:
        return []
    notes = [f"t-DCF with the ASV scores {asv.source.name}"]
    if asv.spoof.size != trials.spoof_scores.size:
        notes.append(f"{asv.spoof.size:,} spoofed ASV trials for {trials.spoof_scores.size:,} of the countermeasure")
    return notes


def _notes(whole: GroupResult, attacks: dict[str, AttackResult]) -> list[str]:
    notes = []
    if whole.eer == 0:
        notes.append("no errors at all: a bootstrap cannot tell how far the EER is above zero")
    uncatalogued = [name for name, attack in attacks.items() if attack.known is None]
    if uncatalogued and len(uncatalogued) < len(attacks):
        notes.append(f"neither known nor unknown, as the catalogue lacks them: {name_some(uncatalogued)}")
    return notes
