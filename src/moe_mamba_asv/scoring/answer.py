"""What a score is worth, in figures that a person can defend: probability, verdict, and how the recording is unlike."""

import math
from typing import Literal

from moe_mamba_asv.evaluation.base import Result
from moe_mamba_asv.evaluation.calibration.calibration import Calibration

Verdict = Literal["bona fide", "spoof", "undecided"]
#: Odds, from the recording and the prior together, below which nothing is decided.
LEAST_ODDS = 3.0


class Answer(Result):
    """One recording.

    Attributes:
        utterance: its name.
        score: higher = bona fide.
        llr: log-likelihood ratio, nats; None without a calibration, as the next two.
        probability: of bona fide, given the prior.
        verdict: by `LEAST_ODDS`.
        prior: share of bona fide in all audio that was assumed.
        unlike: how the recording is unlike those that the model was judged on; empty where it is like them, None where
            the model has no profile.
    """

    utterance: str
    score: float
    llr: float | None
    probability: float | None
    verdict: Verdict | None
    prior: float
    unlike: tuple[str, ...] | None


def answer(
    utterance: str,
    score: float,
    *,
    calibration: Calibration | None,
    prior: float,
    unlike: list[str] | None,
) -> Answer:
    """Put together what is known of one recording.

    Args:
        utterance: its name.
        score: of the model.
        calibration: of that model; None where there is none.
        prior: share of bona fide in all audio.
        unlike: what `Profile.unlike` answers; None without a profile.

    Raises:
        ConfigError: a prior outside (0, 1).
    """
    llr = probability = verdict = None
    if calibration is not None:
        llr = float(calibration.llr([score])[0])
        probability = float(calibration.probability([score], prior)[0])
        verdict = verdict_of(probability)
    return Answer(
        utterance=utterance,
        score=score,
        llr=llr,
        probability=probability,
        verdict=verdict,
        prior=prior,
        unlike=None if unlike is None else tuple(unlike),
    )


def verdict_of(probability: float) -> Verdict:
    """What a probability decides, by `LEAST_ODDS`.

    Args:
        probability: of bona fide, given the prior.
    """
    if 1 / LEAST_ODDS < probability / max(1 - probability, math.ulp(1)) < LEAST_ODDS:
        return "undecided"
    return "bona fide" if probability > 0.5 else "spoof"
