"""Which figures a report has: drawn once, placed in every language."""

from moe_mamba_asv.diagnostics.results.diagnosis import Diagnosis
from moe_mamba_asv.reports.canvas import figure_label
from moe_mamba_asv.reports.drawings.all import draw_diagnosis
from moe_mamba_asv.reports.drawings.robustness import robustness_figure
from moe_mamba_asv.reports.drawings.scores import gap_figure, quantile_figure, slope_figure
from moe_mamba_asv.reports.drawings.training import training_figure
from moe_mamba_asv.reports.model import Report, SystemReport
from moe_mamba_asv.reports.plots import AttackBar, attack_figure, det_figure, histogram_figure


def draw_figures(report: Report) -> dict[str, str]:
    """SVG text by name: ``det``, ``gap``, ``slope``, ``training`` and ``robustness`` where they apply, and for every
    system, counted from 1, ``scores-1``, ``attacks-1``, ``quantiles-1`` and what was diagnosed, as ``router-1``.
    """
    systems, labels = report.systems, attack_labels(report)
    figures = {"det": det_figure(systems)}
    if has_gap(report):
        figures["gap"] = gap_figure(systems)
    if len(systems) > 1:
        figures["slope"] = slope_figure(systems, labels)
    for number, system in enumerate(systems, start=1):
        figures |= {f"{name}-{number}": svg for name, svg in _of_system(report, system, labels).items()}
    learnt = [(system.evaluation.system, system.training) for system in systems if system.training]
    if any(training.epochs for _, training in learnt):
        figures["training"] = training_figure(learnt)
    tried = [(system.evaluation.system, found.robustness) for system, found in _diagnosed(report)]
    tried = [(name, found) for name, found in tried if found is not None and found.conditions]
    if tried:
        figures["robustness"] = robustness_figure(tried)
    return figures


def _of_system(report: Report, system: SystemReport, labels: dict[str, str]) -> dict[str, str]:
    threshold = system.evaluation.threshold
    figures = {"scores": histogram_figure(system.histogram, threshold)}
    if system.evaluation.attacks:
        figures["attacks"] = attack_figure(_bars(report, system), system.evaluation.eer)
        figures["quantiles"] = quantile_figure(system.quantiles, labels, threshold)
    if system.diagnosis is not None:
        drawn = draw_diagnosis(system.diagnosis)
        # Drawn for all systems together.
        figures |= {name: svg for name, svg in drawn.items() if name not in ("training", "robustness")}
    return figures


def _diagnosed(report: Report) -> list[tuple[SystemReport, Diagnosis]]:
    return [(system, system.diagnosis) for system in report.systems if system.diagnosis is not None]


def has_gap(report: Report) -> bool:
    """Whether a system has both known and unknown attacks."""
    return any(system.evaluation.known and system.evaluation.unknown for system in report.systems)


def attack_labels(report: Report) -> dict[str, str]:
    """How figures call each attack of the report, by its id."""
    return {attack.id: figure_label(attack.id, number) for number, attack in enumerate(report.attacks, start=1)}


def _bars(report: Report, system: SystemReport) -> list[AttackBar]:
    labels = attack_labels(report)
    baseline = {pair.a: pair for pair in report.against_baseline}.get(system.evaluation.system)
    return [
        AttackBar(
            label=labels[name],
            eer=attack.eer,
            interval=attack.eer_ci,
            known=attack.known,
            baseline=None if baseline is None else baseline.attacks[name].differences["eer"].b,
        )
        for name, attack in system.evaluation.attacks.items()
    ]
