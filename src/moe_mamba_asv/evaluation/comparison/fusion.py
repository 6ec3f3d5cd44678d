"""Several systems' scores become one: the mean of normalised scores, or a logistic regression trained on dev."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.comparison.lineup import Lineup
from moe_mamba_asv.evaluation.comparison.result import Fusion, FusionMethod
from moe_mamba_asv.evaluation.logistic import fit_logistic
from moe_mamba_asv.scores import DIRECTION, ScoreTable, name_some

#: Penalty on the squared weights of normalised scores, against a mean loss that is ln 2 where nothing is known. Without
#: any, classes that can be told apart without error would draw the weights to infinity.
RIDGE = 1e-4


@dataclass(frozen=True)
class Fused:
    """A fusion, and what it says of the trials.

    Attributes:
        fusion: how.
        scores: float64 [trials], in the order of the trials judged; higher = bona fide.
        table: the same with utterances, to be written; trials that a system failed on have that as their error.
    """

    fusion: Fusion
    scores: np.ndarray
    table: ScoreTable


def fuse(judged: Lineup, method: FusionMethod, *, dev: Lineup | None = None) -> Fused:
    """Fuse the systems of a line-up.

    Args:
        judged: whose trials get fused scores.
        method: ``average`` gives every system the same weight, after its scores were brought to mean 0 and deviation
            1 on dev, or, without dev, on the judged trials themselves, whose labels it does not see. ``logistic``
            needs dev, and answers log-likelihood ratios as far as dev is like the judged trials.
        dev: the same systems on the dev partition.

    Raises:
        ConfigError: other systems on dev, no dev for ``logistic``.
        ScoreError: ``logistic`` would be trained on eval, on a partition that nobody names, or on judged trials; or a
            system that scores everything the same.
    """
    if dev is not None and dev.systems != judged.systems:
        raise ConfigError(f"dev scores of {', '.join(dev.systems)}", wanted=f"of {', '.join(judged.systems)}, in order")
    fitted = judged if dev is None else dev
    means, scales = fitted.scores.mean(axis=1), fitted.scores.std(axis=1)
    if not scales.all():
        raise ScoreError("a system that scores all trials the same", wanted="scores that differ")
    weights, bias = np.full(len(means), 1 / len(means)), 0.0
    if method == "logistic":
        train = _training_trials(dev, judged)
        weights, bias = fit_logistic(_normalise(train.scores, means, scales), train.trials.is_bonafide, ridge=RIDGE)
    where = "the judged trials, without their labels" if dev is None else str(dev.trials.partition or "dev")
    fusion = Fusion(
        system=f"{method} fusion",
        method=method,
        fitted_on=where,
        systems=judged.systems,
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(weights.tolist()),
        bias=bias,
    )
    scores = bias + weights @ _normalise(judged.scores, means, scales)
    return Fused(fusion, scores, _to_table(judged, fusion, scores))


def _training_trials(dev: Lineup | None, judged: Lineup) -> Lineup:
    """Dev, if that is what it is."""
    if dev is None:
        raise ConfigError(
            "logistic fusion without dev scores",
            wanted="scores of every system on the dev partition",
            remedy="--dev A_dev.tsv --dev B_dev.tsv, or the average",
        )
    partition = dev.trials.partition
    if partition is None or not set(partition.split("+")) <= {"train", "dev"}:
        raise ScoreError(f"logistic fusion trained on {partition or 'a partition that nobody names'}", wanted="dev")
    both = dev.trials.frame.join(judged.trials.frame, on="utterance", how="semi")["utterance"]
    if not both.is_empty():
        raise ScoreError(
            f"{len(both):,} trials are both trained on and judged: {name_some(both)}",
            wanted="a fusion that has not seen what it is judged by",
        )
    return dev


def _normalise(scores: np.ndarray, means: np.ndarray, scales: np.ndarray) -> np.ndarray:
    return (scores - means[:, None]) / scales[:, None]


def _to_table(judged: Lineup, fusion: Fusion, scores: np.ndarray) -> ScoreTable:
    scored = judged.trials.frame.select("utterance", pl.Series("score", scores), pl.lit(None, pl.String).alias("error"))
    failed = judged.failed.select("utterance", pl.lit(None, pl.Float64).alias("score"), "error")
    weights = ", ".join(f"{weight:.6g} {name}" for name, weight in zip(fusion.systems, fusion.weights, strict=True))
    header = {
        "model": f"{fusion.system} of {', '.join(fusion.systems)}",
        "fusion weights": f"{weights}, bias {fusion.bias:.6g}",
        "fusion fitted on": fusion.fitted_on,
        "direction": DIRECTION,
    }
    return ScoreTable(pl.concat([scored, failed]), header)
