"""One tested rule: what was measured, beyond which limit it is a fault, and whether it is one."""

from typing import Literal

from moe_mamba_asv.evaluation.result import Result

#: Every fault that a diagnosis, or a report from scores alone, can name; the reports' locales have the words for each.
Fault = Literal[
    "reversed_scores",
    "chance_scores",
    "silent_stream",
    "stream_shift",
    "dead_expert",
    "router_collapse",
    "single_layer",
    "uncovered_band",
    "shortcut",
    "silence_reliance",
    "fragile",
    "numeric",
    "overfitting",
    "unstable_seeds",
    "unseen_attacks",
    "dominant_attack",
    "dev_eval_gap",
    "attack_worse",
]
#: What a count is of.
Unit = Literal["clips", "trials", "epochs", "steps", "runs", "layers", "filters"]


class Finding(Result):
    """A rule and what it found; one that is not raised is evidence too.

    Attributes:
        fault: what it would be.
        where: the stream, expert, layer, feature, condition or attack that was tested; empty for the whole.
        measure: what ``value`` is, a key in the locales, such as ``eer_rise``.
        value: as measured.
        ci: its 95 % interval, or None where the measure has none.
        limit: beyond which the value is a fault.
        beyond: on which side of the limit a fault lies.
        no_effect: the value of a system without the fault; an interval that holds it proves nothing.
        n: what the value rests on.
        unit: of ``n``.
        raised: whether it is a fault: the value lies beyond the limit, and its interval, if any, wholly on that side
            of ``no_effect``.
    """

    fault: Fault
    where: str
    measure: str
    value: float
    ci: tuple[float, float] | None
    limit: float
    beyond: Literal["above", "below"]
    no_effect: float
    n: int
    unit: Unit
    raised: bool


def by_rule(
    fault: Fault,
    measure: str,
    value: float,
    *,
    limit: float,
    n: int,
    where: str = "",
    ci: tuple[float, float] | None = None,
    beyond: Literal["above", "below"] = "above",
    no_effect: float = 0.0,
    unit: Unit = "clips",
) -> Finding:
    """Apply the rule; the arguments are the attributes of `Finding`."""
    if beyond == "above":
        raised = value > limit and (ci is None or ci[0] > no_effect)
    else:
        raised = value < limit and (ci is None or ci[1] < no_effect)
    return Finding(
        fault=fault,
        where=where,
        measure=measure,
        value=value,
        ci=ci,
        limit=limit,
        beyond=beyond,
        no_effect=no_effect,
        n=n,
        unit=unit,
        raised=raised,
    )
