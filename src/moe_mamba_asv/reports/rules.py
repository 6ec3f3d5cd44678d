"""Which bottlenecks there are, by stated rules, and what to do about each.

Every rule is a `Finding`: what was measured, the limit, and whether the fault is there. Those that need sound or
records come from `mma diagnose`; those that scores alone can tell are here.
"""

from collections.abc import Iterable, Mapping, Sequence

from moe_mamba_asv.diagnostics.results.finding import Fault, Finding, by_rule
from moe_mamba_asv.evaluation.comparison.result import Difference, PairComparison
from moe_mamba_asv.evaluation.gap.result import Step
from moe_mamba_asv.evaluation.result import Evaluation

#: Unknown attacks, or eval, may have so many more errors than known attacks, or dev.
GAP_EER = 0.01
#: An attack without which the pooled EER falls by more than this part of it is the bottleneck.
DOMINANT_PART = 0.2
#: As `mma diagnose` has it: from here on scores hardly tell the classes apart.
CHANCE_EER = 0.4

#: What to try, by fault, in this order; the locales have the words and the commands.
SUGGESTIONS: Mapping[Fault, tuple[str, ...]] = {
    "reversed_scores": ("polarity",),
    "chance_scores": ("score_file", "train_on_domain"),
    "numeric": ("lower_rate",),
    "overfitting": ("stop_early", "average"),
    "unstable_seeds": ("more_seeds", "average"),
    "silent_stream": ("other_fusion", "fewer_unfrozen"),
    "stream_shift": ("fewer_unfrozen", "interpolate"),
    "attack_worse": ("interpolate", "fewer_unfrozen"),
    "dead_expert": ("load_balance",),
    "router_collapse": ("load_balance",),
    "single_layer": ("other_layers",),
    "uncovered_band": ("more_filters",),
    "shortcut": ("audit_corpus", "augment_channel"),
    "silence_reliance": ("audit_corpus", "augment_silence"),
    "fragile": ("augment_condition",),
    "unseen_attacks": ("one_class", "vocoded", "rawboost"),
    "dominant_attack": ("what_if", "vocoded"),
    "dev_eval_gap": ("rawboost", "average"),
}


#: What a person types for each of them.
COMMANDS: Mapping[str, str] = {
    "polarity": "mma score … --out scores.tsv",
    "score_file": "mma evaluate scores.tsv --corpus … --root …",
    "train_on_domain": "mma train RECIPE --corpus A --root … --corpus B --root …",
    "lower_rate": "--set training.learning_rate=… --set training.clip_gradient=1.0",
    "stop_early": "--set training.early_stop_epochs=5",
    "average": "mma train RECIPE --average ema",
    "more_seeds": "mma train RECIPE --sweep seeds=1,2,3",
    "other_fusion": "--set model.fusion.kind=gated",
    "fewer_unfrozen": "mma train phase5-lora",
    "interpolate": "mma compare --interpolate A B",
    "load_balance": "--set training.objective.load_balance=0.05",
    "other_layers": "--set training.weight_decay=0.001",
    "more_filters": "--set model.frontends.1.num_filters=100",
    "audit_corpus": "mma corpus check KIND --root … --shortcuts",
    "augment_channel": "mma train RECIPE --augment channel",
    "augment_silence": "--set training.augment=[{kind: trim-silence}]",
    "augment_condition": "mma train RECIPE --augment codec,channel,reverb",
    "one_class": "mma train phase6",
    "vocoded": "mma train RECIPE --augment vocoded",
    "rawboost": "mma train RECIPE --augment rawboost-4",
    "what_if": "mma evaluate scores.tsv --what-if A18=0.05",
}


def from_scores(evaluation: Evaluation, step: Step | None, dev: Step | None) -> list[Finding]:
    """What one system's scores tell.

    Args:
        evaluation: its figures.
        step: from known attacks to unknown ones; None where the corpus does not tell them apart.
        dev: from dev to this partition; None without scores of dev.
    """
    eer, trials = evaluation.eer, evaluation.counts.bonafide + evaluation.counts.spoof
    ci = evaluation.eer_ci
    findings = [
        by_rule("reversed_scores", "eer", eer, limit=0.5, no_effect=0.5, ci=ci, n=trials, unit="trials"),
        by_rule("chance_scores", "eer_either_way", min(eer, 1 - eer), limit=CHANCE_EER, n=trials, unit="trials"),
    ]
    if step is not None:
        findings.append(_gap("unseen_attacks", step))
    findings += _dominant(evaluation)
    if dev is not None:
        findings.append(_gap("dev_eval_gap", dev))
    return findings


def from_history(pairs: Iterable[PairComparison]) -> list[tuple[str, Finding]]:
    """What one run made worse than the run before it: the attacks that paid for the rest.

    Args:
        pairs: each run (A) and the next one (B).

    Returns:
        Name of the later run, and the finding; one for each attack that got worse at all, raised where the difference
        is shown after correction for the number of attacks.
    """
    found = []
    for pair in pairs:
        for name, group in pair.attacks.items():
            difference = group.differences["eer"]
            if difference.value < 0:
                found.append((pair.b, _worse(name, group.n, difference)))
    return found


def suggestions(findings: Sequence[Finding]) -> dict[str, tuple[Fault, ...]]:
    """What to try, and the raised faults that ask for it; what more faults ask for comes first."""
    asked: dict[str, list[Fault]] = {}
    raised: list[Fault] = [finding.fault for finding in findings if finding.raised]
    for fault in dict.fromkeys(raised):
        for key in SUGGESTIONS[fault]:
            asked.setdefault(key, []).append(fault)
    ordered = sorted(asked.items(), key=lambda one: -len(one[1]))
    return {key: tuple(of) for key, of in ordered}


def _gap(fault: Fault, step: Step) -> Finding:
    return by_rule(fault, "eer_rise", step.value, limit=GAP_EER, ci=step.ci, n=step.after.n_spoof, unit="trials")


def _dominant(evaluation: Evaluation) -> list[Finding]:
    """The attack that costs the most, where there are others to compare with."""
    if len(evaluation.without_attack) < 2 or evaluation.eer == 0:
        return []
    fall = {
        name: (evaluation.eer - without.eer) / evaluation.eer for name, without in evaluation.without_attack.items()
    }
    worst = max(fall, key=lambda name: fall[name])
    n = evaluation.attacks[worst].n
    return [by_rule("dominant_attack", "eer_part", fall[worst], limit=DOMINANT_PART, n=n, where=worst, unit="trials")]


def _worse(attack: str, trials: int, difference: Difference) -> Finding:
    """A rise is B minus A; the comparison's differences are A minus B."""
    ci = None if difference.ci is None else (-difference.ci[1], -difference.ci[0])
    return Finding(
        fault="attack_worse",
        where=attack,
        measure="eer_rise",
        value=-difference.value,
        ci=ci,
        limit=0,
        beyond="above",
        no_effect=0,
        n=trials,
        unit="trials",
        raised=difference.verdict == "A better",
    )
