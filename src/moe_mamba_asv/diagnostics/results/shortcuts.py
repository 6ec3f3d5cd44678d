"""What a detector's scores have to do with what is no trace of a fake."""

from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.diagnostics.results.robustness import Rescored
from moe_mamba_asv.evaluation.result import Result


class FeatureReliance(Result):
    """One feature of the clips, beside their scores.

    Attributes:
        feature: one of `corpora.shortcut_features.FEATURES`.
        correlation: Spearman's, of feature and score within a class; the mean of both classes, or the one class that
            has a coefficient. None where neither has.
        ci: its 95 % interval over clips.
        within_bonafide: the coefficient of bona fide clips; None where all have the same value or the same score, or
            where they are too few.
        within_spoof: likewise of spoofed clips, each ranked among those of its own attack.
        auc: how often a bona fide clip has a larger value than a spoofed one, ties one half: 0.5 tells nothing apart,
            0 and 1 everything.
        median_bonafide: in the unit of the feature: s, dBFS, Hz, dB, or full scale for the peak.
        median_spoof: likewise.
    """

    feature: str
    correlation: float | None
    ci: tuple[float, float] | None
    within_bonafide: float | None
    within_spoof: float | None
    auc: float
    median_bonafide: float
    median_spoof: float


class ShortcutResult(Result):
    """What a detector makes of level, length, silence and channel on one sample.

    Attributes:
        n_bonafide: clips.
        n_spoof: clips.
        features: in the order of the corpus audit.
        trimmed: the detector asked again without the edge silences.
        findings: one for each feature that has a coefficient, and one for the silences.
    """

    n_bonafide: int
    n_spoof: int
    features: tuple[FeatureReliance, ...]
    trimmed: Rescored
    findings: tuple[Finding, ...]
