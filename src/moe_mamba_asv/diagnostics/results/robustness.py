"""What changes of the sound do to a detector."""

from typing import Literal

from moe_mamba_asv.diagnostics.results.drift import EerShift
from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.evaluation.result import Result

#: What a condition changes.
ConditionGroup = Literal["codec", "noise", "band", "level", "length", "room", "silence"]


class Rescored(Result):
    """A detector asked again about changed clips.

    Attributes:
        n: clips of both classes with both scores; the figures below are of these.
        failed: reason by utterance, of clips that could not be changed or got no finite score.
        eer: of all clips, before and after the change.
        attacks: likewise of each attack against all bona fide clips.
        shift_bonafide: mean change of the score of bona fide clips, in standard deviations of all unchanged scores;
            in score units where those are all equal.
        shift_spoof: likewise of spoofed clips.
    """

    n: int
    failed: dict[str, str]
    eer: EerShift
    attacks: dict[str, EerShift]
    shift_bonafide: float
    shift_spoof: float


class ConditionResult(Rescored):
    """One condition; its name is the ``where`` of its finding."""

    name: str
    group: ConditionGroup


class RobustnessResult(Result):
    """A detector on one sample under many conditions.

    Attributes:
        n_bonafide: clips.
        n_spoof: clips.
        eer: of the unchanged clips, a fraction.
        conditions: those that were measured, in order.
        not_measured: reason by name, of conditions that this machine or this sample cannot have.
        findings: one for each measured condition.
    """

    n_bonafide: int
    n_spoof: int
    eer: float
    conditions: tuple[ConditionResult, ...]
    not_measured: dict[str, str]
    findings: tuple[Finding, ...]
