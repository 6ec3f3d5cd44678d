"""Logistic regression of scores, in which the classes weigh what a prior says and not what their numbers say."""

import numpy as np

from moe_mamba_asv.errors import ScoreError

_MAX_NEWTON_STEPS = 100
#: Newton's decrement, squared, below which one more step ends the search.
_CONVERGED = 1e-12


def fit_logistic(
    normalised: np.ndarray, is_bonafide: np.ndarray, *, ridge: float, prior_log_odds: float = 0.0
) -> tuple[np.ndarray, float]:
    """Weights and offset, so that ``weights @ inputs + offset`` is a log-likelihood ratio.

    The loss ``ln(1 + exp(∓(ratio + log-odds)))``, minus for bona fide trials, is averaged within each class; the mean
    of bona fide trials weighs as much as the prior says, and that of spoofed ones the rest, however many there are of
    either. Added is half the ridge times the squared weights, not the offset: where the classes do not overlap it alone
    keeps them finite. Newton's method, halving a step that would not lower the loss, which is convex.

    Args:
        normalised: float64 [inputs, trials], about mean 0 and deviation 1.
        is_bonafide: bool [trials], with both classes.
        ridge: against a mean loss that is ln 2 where nothing is known.
        prior_log_odds: of bona fide; 0 weighs both classes alike.

    Returns:
        float64 [inputs], and the offset.

    Raises:
        ScoreError: it did not converge.

    Source: Brümmer et al., Fusion of heterogeneous speaker recognition systems in the STBU submission for the NIST
    speaker recognition evaluation 2006, IEEE TASLP 2007; the ridge is ours.
    """
    prior = 1 / (1 + np.exp(-prior_log_odds))
    inputs = np.vstack([normalised, np.ones(is_bonafide.size)])
    share = np.where(is_bonafide, prior / is_bonafide.sum(), (1 - prior) / (~is_bonafide).sum())
    sign = np.where(is_bonafide, 1.0, -1.0)
    penalty = np.append(np.full(len(normalised), ridge), 0.0)

    def loss(at: np.ndarray) -> float:
        return float(share @ np.logaddexp(0, -sign * (at @ inputs + prior_log_odds)) + penalty @ at**2 / 2)

    found = np.zeros(len(inputs))
    for _ in range(_MAX_NEWTON_STEPS):
        wrong = np.exp(-np.logaddexp(0, sign * (found @ inputs + prior_log_odds)))  # probability of the other class
        downhill = inputs @ (share * sign * wrong) - penalty * found
        curvature = (inputs * (share * wrong * (1 - wrong))) @ inputs.T + np.diag(penalty)
        step = np.linalg.lstsq(curvature, downhill, rcond=None)[0]
        if downhill @ step < _CONVERGED:
            found = found + step
            return found[:-1], float(found[-1])
        length, before = 1.0, loss(found)
        while loss(found + length * step) >= before and length > 1e-9:
            length /= 2
        found = found + length * step
    raise ScoreError(
        f"logistic regression did not converge in {_MAX_NEWTON_STEPS} steps", wanted="scores without extreme outliers"
    )
