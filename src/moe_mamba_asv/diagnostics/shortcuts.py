"""Whether a detector scores by what is no trace of a fake: level, length, silence, bandwidth, noise.

The corpus audit tells which of these separate the classes of a corpus. Here the detector itself is asked: whether its
scores follow a feature among clips of one class, where no fake explains it, and what it loses with the edge silences.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from moe_mamba_asv.audio.augment.silence import trim_silence
from moe_mamba_asv.corpora.shortcut_features import FEATURES, shortcut_features
from moe_mamba_asv.corpora.shortcut_scorer import auc
from moe_mamba_asv.corpora.shortcuts import FEWEST_CLIPS
from moe_mamba_asv.diagnostics.paired import rescore
from moe_mamba_asv.diagnostics.results.finding import Finding, by_rule
from moe_mamba_asv.diagnostics.results.robustness import Rescored
from moe_mamba_asv.diagnostics.results.shortcuts import FeatureReliance, ShortcutResult
from moe_mamba_asv.diagnostics.sample import Sample, Waveform
from moe_mamba_asv.evaluation.metrics.bootstrap import interval
from moe_mamba_asv.scoring.predictor import Predictor

#: A quarter of the order of the scores within a class. As a mean of two classes it needs the same sign in both: a
#: detector that is merely surer of long or clean clips moves the classes apart, and its signs cancel.
SHORTCUT_CORRELATION = 0.5
#: Silence at the edges says nothing about the speech; beyond this, more hangs on it than the choice of a crop moves.
SILENCE_RISE = 0.05
#: Codec traces are three numbers, and a vocoder leaves such traces too.
MEASURED = tuple(feature for feature in FEATURES if feature != "codec traces")
_REPLICATES = 1_000


def diagnose_shortcuts(
    predictor: Predictor,
    sample: Sample,
    scores: NDArray[np.float64],
    generator: np.random.Generator,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> ShortcutResult:
    """Measure the clips, correlate with their scores, and score them again without the edge silences.

    Correlations are by rank and within a class, spoofed clips each within its own attack: neither the difference of
    the classes nor that of the attacks enters. Whole clips are measured, also where the detector hears a part.

    Args:
        predictor: the detector.
        sample: clips of both classes.
        scores: theirs, (clips,).
        generator: of the bootstraps.
        on_clips: told of clips that are scored again, all of them once.

    Raises:
        ScoreError: a score is not finite, or no clip of a class can be scored without its silences.
    """
    values = _measure(sample.waveforms)
    classes = [[sample.rows_of("")], _attacks_of(sample)]
    draws = [[_drawn(rows, generator) for rows in strata] for strata in classes]
    features = [_reliance(feature, of, scores, sample, classes, draws) for feature, of in values.items()]
    trimmed = rescore(
        predictor, sample, scores, lambda row: trim_silence(sample.waveforms[row], 0, 0), generator, on_clips
    )
    n_bonafide = int(sample.is_bonafide.sum())
    found = [_shortcut(one, len(scores)) for one in features if one.correlation is not None]
    return ShortcutResult(
        n_bonafide=n_bonafide,
        n_spoof=len(scores) - n_bonafide,
        features=tuple(features),
        trimmed=trimmed,
        findings=(*found, _silence_reliance(trimmed)),
    )


def within_class(
    values: NDArray[np.float64], scores: NDArray[np.float64], drawn: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Spearman's coefficient, ranks being those within strata.

    Args:
        values: of a feature, (clips,).
        scores: (clips,).
        drawn: rows of each stratum of a class, one or more times drawn: (draws, clips of the stratum).

    Returns:
        (draws,); NaN where in every stratum all have one value, or one score.
    """
    x, y = _centred_ranks(values, drawn), _centred_ranks(scores, drawn)
    of_both = np.sqrt((x * x).sum(axis=1) * (y * y).sum(axis=1))
    return np.divide((x * y).sum(axis=1), of_both, out=np.full(len(of_both), np.nan), where=of_both > 0)


def _centred_ranks(values: NDArray[np.float64], drawn: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Shares of the stratum below each clip, one half taken off: (draws, clips of the class)."""
    parts = [(rankdata(values[rows], axis=1) - (rows.shape[1] + 1) / 2) / rows.shape[1] for rows in drawn]
    return np.concatenate(parts, axis=1)


def _measure(waveforms: Sequence[Waveform]) -> dict[str, NDArray[np.float64]]:
    measured = [shortcut_features(waveform) for waveform in waveforms]
    return {feature: np.array([of[feature][0] for of in measured]) for feature in MEASURED}


def _attacks_of(sample: Sample) -> list[NDArray[np.intp]]:
    """Rows of each attack, and of the spoofed clips of which none is named."""
    attacks = np.array(sample.attacks)
    strata = [np.flatnonzero(~sample.is_bonafide & (attacks == name)) for name in ["", *sample.attack_names]]
    return [rows for rows in strata if rows.size]


def _drawn(rows: NDArray[np.intp], generator: np.random.Generator) -> NDArray[np.intp]:
    return rows[generator.integers(rows.size, size=(_REPLICATES, rows.size))]


def _reliance(
    feature: str,
    values: NDArray[np.float64],
    scores: NDArray[np.float64],
    sample: Sample,
    classes: list[list[NDArray[np.intp]]],
    draws: list[list[NDArray[np.intp]]],
) -> FeatureReliance:
    coefficients: list[float | None] = []
    replicates = []
    for strata, drawn in zip(classes, draws, strict=True):
        value = float(within_class(values, scores, [rows[None] for rows in strata])[0])
        if np.isnan(value) or sum(rows.size for rows in strata) < FEWEST_CLIPS:
            coefficients.append(None)
        else:
            coefficients.append(value)
            replicates.append(within_class(values, scores, drawn))
    known = [value for value in coefficients if value is not None]
    return FeatureReliance(
        feature=feature,
        correlation=float(np.mean(known)) if known else None,
        ci=interval(np.mean(replicates, axis=0), confidence=0.95) if known else None,
        within_bonafide=coefficients[0],
        within_spoof=coefficients[1],
        auc=auc(values, sample.is_bonafide),
        median_bonafide=float(np.median(values[sample.is_bonafide])),
        median_spoof=float(np.median(values[~sample.is_bonafide])),
    )


def _shortcut(reliance: FeatureReliance, clips: int) -> Finding:
    """The rule is for the strength; which way the scores go is no matter."""
    assert reliance.correlation is not None
    assert reliance.ci is not None
    sign = -1 if reliance.correlation < 0 else 1
    low, high = sorted(sign * end for end in reliance.ci)
    return by_rule(
        "shortcut",
        "within_class_correlation",
        sign * reliance.correlation,
        limit=SHORTCUT_CORRELATION,
        ci=(low, high),
        n=clips,
        where=reliance.feature,
    )


def _silence_reliance(trimmed: Rescored) -> Finding:
    eer = trimmed.eer
    return by_rule("silence_reliance", "eer_rise", eer.change, limit=SILENCE_RISE, ci=eer.ci, n=trimmed.n)
