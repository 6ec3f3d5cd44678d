"""What a reader must be told before any number, found in the numbers themselves and free of language."""

from dataclasses import dataclass
from typing import Literal

from moe_mamba_asv.evaluation.result import Evaluation
from moe_mamba_asv.reports.model import Report

#: With fewer trials in a class, one trial moves the EER by a percent or more.
FEW_TRIALS = 100
#: Where the evaluation, too, calls an EER near chance.
NEAR_CHANCE = 0.45

CautionKind = Literal["failed", "reversed", "chance", "attack_beyond", "no_errors", "few"]


@dataclass(frozen=True)
class Caution:
    """One caution about one system; the locale's ``warning.<kind>`` says it in words."""

    kind: CautionKind
    system: Evaluation
    attacks: tuple[str, ...] = ()


def cautions(report: Report) -> list[Caution]:
    """All cautions of a report, system by system."""
    return [caution for system in report.systems for caution in _of_system(system.evaluation)]


def _of_system(evaluation: Evaluation) -> list[Caution]:
    found: list[Caution] = []
    if evaluation.failed:
        found.append(Caution("failed", evaluation))
    if evaluation.eer > 0.5:
        found.append(Caution("reversed", evaluation))
    elif evaluation.eer >= NEAR_CHANCE or (evaluation.eer_ci is not None and evaluation.eer_ci[1] >= 0.5):
        found.append(Caution("chance", evaluation))
    beyond = tuple(name for name, attack in evaluation.attacks.items() if attack.eer > 0.5)
    if beyond and evaluation.eer <= 0.5:
        found.append(Caution("attack_beyond", evaluation, beyond))
    if evaluation.eer == 0:
        found.append(Caution("no_errors", evaluation))
    if min(evaluation.counts.bonafide, evaluation.counts.spoof) < FEW_TRIALS:
        found.append(Caution("few", evaluation))
    return found
