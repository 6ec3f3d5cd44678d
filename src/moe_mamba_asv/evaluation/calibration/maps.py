"""Maps from scores to log-likelihood ratios, and how they are learned."""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.logistic import fit_logistic
from moe_mamba_asv.evaluation.metrics.cllr import pav_llrs
from moe_mamba_asv.evaluation.metrics.det import DetSteps

#: Penalty on the squared slope, for scores of deviation 1, against a mean loss that is ln 2 where nothing is known.
RIDGE = 1e-6


class _Map(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LogisticMap(_Map):
    """``llr = slope * score + offset``."""

    kind: Literal["logistic"] = Field(default="logistic", description="an affine map, learned by logistic regression")
    slope: float = Field(gt=0, description="nats of log-likelihood ratio to one unit of score")
    offset: float = Field(description="log-likelihood ratio of the score 0, in nats")
    prior: float = Field(gt=0, lt=1, description="weight of all bona fide trials together in the regression")

    def llr(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-likelihood ratios, of the shape of the scores."""
        return self.slope * scores + self.offset


class IsotonicMap(_Map):
    """Straight lines between nodes, level beyond the ends."""

    kind: Literal["isotonic"] = Field(default="isotonic", description="the best non-decreasing map")
    scores: tuple[float, ...] = Field(min_length=2, description="of the nodes, ascending")
    llrs: tuple[float, ...] = Field(description="log-likelihood ratios of the nodes in nats, never descending")

    @model_validator(mode="after")
    def _check_nodes(self) -> "IsotonicMap":
        rising = all(low < high for low, high in pairwise(self.scores))
        if len(self.scores) != len(self.llrs) or not rising or any(low > high for low, high in pairwise(self.llrs)):
            raise ValueError("wanted as many llrs as scores, scores that ascend and llrs that never descend")
        return self

    def llr(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-likelihood ratios, of the shape of the scores."""
        nodes, llrs = np.array(self.scores), np.array(self.llrs)
        within = np.clip(scores, nodes[0], nodes[-1])
        right = np.clip(np.searchsorted(nodes, within), 1, nodes.size - 1)
        low, high = llrs[right - 1], llrs[right]
        share = (within - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
        # A node itself has its own value to the last bit, and no rounding passes it: the map stays non-decreasing.
        return np.where(share < 1, np.minimum(low + share * (high - low), high), high)


def fit_logistic_map(score: np.ndarray, is_bonafide: np.ndarray, prior: float) -> LogisticMap:
    """Prior-weighted logistic regression.

    See `fit_logistic` for the loss; the ridge is on the slope for scores of deviation 1, too small to be seen where the
    classes overlap.

    Args:
        score: float64 [trials], finite.
        is_bonafide: bool [trials], with both classes.
        prior: weight of the bona fide trials; the map is best for decisions at about that share of bona fide audio.

    Raises:
        ScoreError: scores that do not rise from spoof to bona fide, all are the same, or no convergence.
        ConfigError: a prior outside (0, 1).

    Source: Brümmer and du Preez, Application-independent evaluation of speaker detection, Computer Speech and Language
    2006. The ridge is ours.
    """
    log_odds, (middle, deviation) = logit(prior), _spread(score)
    normalised = ((score - middle) / deviation)[None]
    weights, offset = fit_logistic(normalised, is_bonafide, ridge=RIDGE, prior_log_odds=log_odds)
    if weights[0] <= 0:
        raise _not_rising()
    slope = float(weights[0] / deviation)
    return LogisticMap(slope=slope, offset=offset - slope * middle, prior=prior)


def pool(steps: DetSteps) -> IsotonicMap:
    """The best non-decreasing map: adjacent violators are pooled, and a node stands at either end of each pool.

    Infinite ratios become ``ln(spoof + 1)`` and ``-ln(bonafide + 1)`` by the numbers of trials, which is beyond every
    finite one: as if one more trial of the other class had been there. Scores between two pools get what lies on the
    straight line between them.

    Args:
        steps: counted DET steps.

    Raises:
        ScoreError: scores that do not rise from spoof to bona fide: one pool holds them all.

    Source: Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates, KDD 2002;
    the limits are ours.
    """
    llrs = np.clip(pav_llrs(steps), -np.log(steps.bonafide + 1), np.log(steps.spoof + 1))
    changes = llrs[1:] != llrs[:-1]
    if not changes.any():
        raise _not_rising()
    ends = np.append(True, changes) | np.append(changes, True)
    return IsotonicMap(scores=tuple(steps.thresholds[1:][ends].tolist()), llrs=tuple(llrs[ends].tolist()))


def _spread(score: np.ndarray) -> tuple[float, float]:
    """Mean and deviation."""
    with np.errstate(over="ignore", invalid="ignore"):
        middle, deviation = float(score.mean()), float(score.std())
    if not 0 < deviation < np.inf:
        raise ScoreError(f"scores with a deviation of {deviation:g}", wanted="scores that differ, and no giants")
    return middle, deviation


def _not_rising() -> ScoreError:
    return ScoreError(
        "scores that do not rise from spoof to bona fide",
        wanted="higher scores for bona fide trials",
        remedy="check the direction of the scores, and that they are of this corpus",
    )


def logit(prior: float) -> float:
    """Log-odds of a prior.

    Raises:
        ConfigError: it is not between 0 and 1.
    """
    if not 0 < prior < 1:
        raise ConfigError(f"a prior of {prior}", wanted="a share of bona fide between 0 and 1")
    return float(np.log(prior) - np.log1p(-prior))
