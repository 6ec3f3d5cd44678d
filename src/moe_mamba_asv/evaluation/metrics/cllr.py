"""Cost of log-likelihood ratios, and what the best calibration would leave of it."""

import numpy as np

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.metrics.det import DetSteps
from moe_mamba_asv.evaluation.metrics.hull import hull_vertices


def cllr(llr_bonafide: np.ndarray, llr_spoof: np.ndarray) -> float:
    """The log-likelihood-ratio cost in bits: 0 is perfect, 1 is "no evidence" said at every trial, above is worse.

    ``Cllr = (mean log2(1 + exp(-l_bonafide)) + mean log2(1 + exp(l_spoof))) / 2`` with ``l`` the natural logarithm of
    ``p(audio | bona fide) / p(audio | spoof)``. An infinite ratio costs nothing where it is right, and infinity where
    it is wrong.

    Args:
        llr_bonafide: log-likelihood ratios of bona fide trials [bonafide].
        llr_spoof: of spoofed trials [spoof].

    Raises:
        ScoreError: a class without trials, or a NaN.

    Source: Brümmer and du Preez, Application-independent evaluation of speaker detection, Computer Speech and Language
    2006.

    Examples:
        >>> cllr(np.array([0.0]), np.array([0.0]))
        1.0
    """
    bonafide, spoof = checked_llrs(llr_bonafide, "bona fide"), checked_llrs(llr_spoof, "spoofed")
    nats = np.logaddexp(0, -bonafide).mean() + np.logaddexp(0, spoof).mean()
    return float(nats / (2 * np.log(2)))


def min_cllr(steps: DetSteps) -> float:
    """Cllr after the best non-decreasing calibration of these scores, in bits: what discrimination alone costs.

    The pooling of adjacent violators finds that calibration; its blocks are the edges of the ROC convex hull. An edge
    that holds a fraction ``x`` of the bona fide trials and ``y`` of the spoofed ones costs ``(x + y) H(x / (x + y)) /
    2``, ``H`` the binary entropy; their sum is the answer. Between 0 (classes apart) and 1 (no use), and never above
    the Cllr of the scores themselves. Tied trials share a block. No dummy trials are added at the ends.

    Args:
        steps: counted DET steps.

    Source: Brümmer and du Preez, as for `cllr`; Ayer et al., An empirical distribution function for sampling with
    incomplete information, Annals of Mathematical Statistics 1955 (the pooling).

    Examples:
        Edges: a spoof alone, a pair that cannot be told apart (1/2 of each class), a bona fide trial alone.

        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> min_cllr(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 1.0])))
        0.5
    """
    bonafide, spoof = _fractions_of_edges(steps, hull_vertices(steps))
    return float((_bits(bonafide, bonafide + spoof) + _bits(spoof, bonafide + spoof)) / 2)


def pav_llrs(steps: DetSteps) -> np.ndarray:
    """The log-likelihood ratio that the best non-decreasing calibration gives each distinct score.

    It is ``ln((x / bonafide) / (y / spoof))`` over the ``x`` bona fide and ``y`` spoofed trials of the block of that
    score, so minus infinity below every bona fide trial and infinity above every spoofed one.

    Args:
        steps: counted DET steps.

    Returns:
        float64 [steps - 1], non-decreasing: of the scores ``steps.thresholds[1:]``.

    Source: as for `min_cllr`.

    Examples:
        >>> from moe_mamba_asv.evaluation.metrics.det import det_steps
        >>> pav_llrs(det_steps(np.array([0.0, 2.0]), np.array([-1.0, 1.0]))).tolist()
        [-inf, 0.0, 0.0, inf]
    """
    vertices = hull_vertices(steps)
    bonafide, spoof = _fractions_of_edges(steps, vertices)
    with np.errstate(divide="ignore"):
        of_edges = np.log(bonafide) - np.log(spoof)
    return np.repeat(of_edges, np.diff(vertices))


def checked_llrs(llrs: np.ndarray, which: str) -> np.ndarray:
    """Log-likelihood ratios as float64 [trials]; infinite ones are allowed.

    Args:
        llrs: of one class.
        which: what an error calls the class.

    Raises:
        ScoreError: no trials, or a NaN.
    """
    llrs = np.asarray(llrs, dtype=np.float64)
    if llrs.size == 0:
        raise ScoreError(f"no {which} trials", wanted="at least one of each class")
    if np.isnan(llrs).any():
        raise ScoreError(f"{int(np.isnan(llrs).sum()):,} {which} log-likelihood ratios are NaN", wanted="numbers")
    return llrs


def _fractions_of_edges(steps: DetSteps, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bonafide = np.diff(steps.misses[vertices]) / steps.bonafide
    spoof = -np.diff(steps.false_alarms[vertices]) / steps.spoof
    return bonafide, spoof


def _bits(part: np.ndarray, whole: np.ndarray) -> float:
    """Sum of ``part log2(whole / part)``; an empty part costs nothing."""
    held = part > 0
    return float(part[held] @ np.log2(whole[held] / part[held]))
