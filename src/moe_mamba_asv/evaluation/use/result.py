"""What an evaluation answers of scores in use: as probabilities, as decisions, in front of an ASV system."""

from typing import Literal

from moe_mamba_asv.evaluation.base import Result

#: What a threshold is compared with.
Scale = Literal["score", "log-likelihood ratio"]


class ReliabilityBin(Result):
    """Trials of about the same probability of being bona fide.

    Attributes:
        lowest: the lowest probability in it.
        highest: the highest.
        mean_probability: of its trials, the classes weighted to the prior.
        fraction_bonafide: of its trials, weighted likewise; equal to the mean probability if calibrated.
        count: its trials.
    """

    lowest: float
    highest: float
    mean_probability: float
    fraction_bonafide: float
    count: int


class CalibratedResult(Result):
    """What the scores are worth if taken at their word, after a calibration.

    Attributes:
        calibration: which map, ``logistic`` or ``isotonic``.
        calibrated_on: corpus and partition that taught it.
        prior: share of bona fide audio that the probabilities suppose.
        act_dcf: detection cost of ASVspoof 5, Track 1, at the threshold that its priors and costs ask for.
        cllr: in bits.
        ece: expected calibration error of the probabilities, at the prior, over ``bins``; a fraction.
        bins: the reliability diagram, from low to high probability.
    """

    calibration: str
    calibrated_on: str
    prior: float
    act_dcf: float
    cllr: float
    ece: float
    bins: tuple[ReliabilityBin, ...]


class ClassResult(Result):
    """One class, looked for at a threshold; fractions. The precision of a class never decided for is None."""

    precision: float | None
    recall: float
    f1: float


class DecisionsResult(Result):
    """Every trial decided at one threshold.

    Attributes:
        threshold: accept as bona fide what is above it.
        scale: what the threshold is compared with.
        bonafide_accepted: how many, rightly.
        bonafide_rejected: how many, wrongly.
        spoof_accepted: how many, wrongly.
        spoof_rejected: how many, rightly.
        p_miss: fraction of bona fide trials rejected.
        p_fa: fraction of spoofed trials accepted.
        accuracy: right decisions over all trials.
        balanced_accuracy: mean of the recalls of both classes.
        bonafide: with bona fide as the class that is looked for.
        spoof: with spoofs as that class.
    """

    threshold: float
    scale: Scale
    bonafide_accepted: int
    bonafide_rejected: int
    spoof_accepted: int
    spoof_rejected: int
    p_miss: float
    p_fa: float
    accuracy: float
    balanced_accuracy: float
    bonafide: ClassResult
    spoof: ClassResult


class TeerPoint(Result):
    """One point of the t-EER path."""

    asv_threshold: float
    cm_threshold: float
    teer: float


class TeerResult(Result):
    """Where misses, accepted impostors and accepted spoofs of the tandem are nearest to equal; fractions.

    Attributes:
        value: the concurrent t-EER: mean of the three.
        asv_threshold: the ASV system accepts what is above it.
        cm_threshold: likewise of the countermeasure.
        p_miss: targets that either system rejects.
        p_fa_nontarget: impostors that both accept.
        p_fa_spoof: spoofed trials that both accept.
        spread: greatest minus least of the three; far above one trial's weight, no such point exists.
    """

    value: float
    asv_threshold: float
    cm_threshold: float
    p_miss: float
    p_fa_nontarget: float
    p_fa_spoof: float
    spread: float


class TandemResult(Result):
    """The countermeasure in front of an ASV system whose score of every trial is known.

    Attributes:
        source: file of the ASV scores.
        target: trials of the claimed speaker.
        nontarget: trials of another speaker, bona fide.
        spoof: spoofed trials.
        cm_threshold: of the countermeasure in ``min_adcf``.
        min_adcf: minimum a-DCF over the ASV threshold, where the countermeasure rejects first.
        min_adcf_asv: the same of the ASV system alone.
        teer: the concurrent t-EER.
        path: the t-EER by ASV threshold for a share of spoofs of one half, at so many steps as a figure can show.
    """

    source: str
    target: int
    nontarget: int
    spoof: int
    cm_threshold: float
    min_adcf: float
    min_adcf_asv: float
    teer: TeerResult
    path: tuple[TeerPoint, ...]
