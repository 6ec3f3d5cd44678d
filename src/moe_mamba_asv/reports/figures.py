"""Which figures a report has: drawn once, placed in every language."""

from moe_mamba_asv.reports.model import Report, SystemReport
from moe_mamba_asv.reports.plots import AttackBar, attack_figure, det_figure, figure_label, histogram_figure


def draw_figures(report: Report) -> dict[str, str]:
    """SVG text by name: ``det``, then ``scores-1``, ``attacks-1`` … for every system, counted from 1.

    A system without attacks has no ``attacks-`` figure.
    """
    figures = {"det": det_figure(report.systems)}
    for number, system in enumerate(report.systems, start=1):
        figures[f"scores-{number}"] = histogram_figure(system.histogram, system.evaluation.threshold)
        if system.evaluation.attacks:
            figures[f"attacks-{number}"] = attack_figure(_bars(report, system), system.evaluation.eer)
    return figures


def attack_labels(report: Report) -> dict[str, str]:
    """How figures call each attack of the report, by its id."""
    return {attack.id: figure_label(attack.id, number) for number, attack in enumerate(report.attacks, start=1)}


def _bars(report: Report, system: SystemReport) -> list[AttackBar]:
    labels = attack_labels(report)
    return [
        AttackBar(label=labels[name], eer=attack.eer, interval=attack.eer_ci, known=attack.known)
        for name, attack in system.evaluation.attacks.items()
    ]
