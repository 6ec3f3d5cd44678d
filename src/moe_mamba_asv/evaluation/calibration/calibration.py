"""Scores become log-likelihood ratios: a calibration learned on dev, and its file beside the model."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from moe_mamba_asv.errors import ConfigError, ScoreError
from moe_mamba_asv.evaluation.calibration.maps import IsotonicMap, LogisticMap, fit_logistic_map, logit, pool
from moe_mamba_asv.evaluation.metrics.cllr import cllr, min_cllr
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.eer import eer_of_steps
from moe_mamba_asv.scores import write_atomically

if TYPE_CHECKING:
    # A calibration is also read and applied where polars is not installed, which trials are tables of.
    from moe_mamba_asv.evaluation.join import Trials

CalibrationKind = Literal["logistic", "isotonic"]
#: Partitions that a calibration may be learned on.
LEARNABLE = frozenset({"train", "dev"})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Calibration(_Part):
    """A map from scores to log-likelihood ratios, and what it was learned on."""

    format: Literal[1] = Field(default=1, description="of the file")
    direction: Literal["higher = bona fide"] = Field(
        default="higher = bona fide", description="what a higher score says, and a higher log-likelihood ratio too"
    )
    parameters: Annotated[LogisticMap | IsotonicMap, Field(discriminator="kind", description="the map")]
    corpus: str = Field(description="the corpus reader's name")
    partition: str = Field(description="that it was learned on: train, dev or both, never eval")
    bonafide: int = Field(gt=0, description="bona fide trials that it was learned on")
    spoof: int = Field(gt=0, description="spoofed trials that it was learned on")
    failed: int = Field(ge=0, description="trials without a score, that it was not learned on")
    system: str = Field(description="who gave the scores, as the score file says; empty if it does not")
    model_sha256: str = Field(description="digest of the model file, as the score file says; empty if it does not")
    eer: float = Field(description="of the scores, a fraction; calibrating does not change it")
    cllr_before: float = Field(description="in bits, of the scores as if they were log-likelihood ratios")
    cllr_after: float = Field(description="in bits, on the trials that it was learned on: too good to be expected")
    min_cllr: float = Field(description="in bits, after the best non-decreasing map of these very trials")

    @property
    def kind(self) -> CalibrationKind:
        """Which map."""
        return self.parameters.kind

    @field_validator("partition")
    @classmethod
    def _refuse_eval(cls, partition: str) -> str:
        if not set(partition.split("+")) <= LEARNABLE:
            raise ValueError(f"learned on {partition!r}; wanted train or dev")
        return partition

    def llr(self, scores: ArrayLike) -> NDArray[np.float64]:
        """``ln(p(audio | bona fide) / p(audio | spoof))``, as far as the audio is like what this was learned on.

        Never decreasing in the score.

        Args:
            scores: of the system that this was learned for, of any shape.

        Returns:
            float64, of the same shape; nats.

        Raises:
            ScoreError: a score is NaN or infinite.
        """
        values = np.asarray(scores, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ScoreError(f"{int((~np.isfinite(values)).sum()):,} scores are NaN or infinite", wanted="numbers")
        return self.parameters.llr(values)

    def probability(self, scores: ArrayLike, prior: float) -> NDArray[np.float64]:
        """``P(bona fide | score)`` where that share of all audio is bona fide.

        Args:
            scores: as for `llr`.
            prior: share of bona fide audio before anything was heard; nothing in the data tells it.

        Returns:
            float64, of the shape of the scores.

        Raises:
            ConfigError: a prior outside (0, 1).
            ScoreError: as `llr`.
        """
        log_odds = self.llr(scores) + logit(prior)
        return np.exp(-np.logaddexp(0, -log_odds))


def learn_calibration(
    trials: "Trials",
    *,
    kind: CalibrationKind = "logistic",
    prior: float = 0.5,
    partition: str | None = None,
    model_sha256: str = "",
) -> Calibration:
    """Learn a calibration from labelled scores.

    ``logistic`` has two parameters and bears few trials, see `fit_logistic_map`; ``isotonic`` has any shape that rises
    and needs thousands, see `pool`.

    Args:
        trials: of train or dev.
        kind: which map.
        prior: of the logistic regression; ``isotonic`` serves all priors alike.
        partition: what the trials are, where their corpus does not tell.
        model_sha256: of the model file, as the header of the score file says.

    Raises:
        ScoreError: trials of eval, or of a partition that nobody names; scores from which no map can be learned that
            rises.
        ConfigError: another kind, or a prior outside (0, 1).
    """
    learned_on = _learnable(trials, partition)
    steps = det_steps(trials.bonafide_scores, trials.spoof_scores)
    match kind:
        case "logistic":
            parameters = fit_logistic_map(trials.score, trials.is_bonafide, prior)
        case "isotonic":
            parameters = pool(steps)
        case _:
            raise ConfigError(f"calibration of kind {kind!r}", wanted="logistic or isotonic")
    return Calibration(
        parameters=parameters,
        corpus=trials.corpus,
        partition=learned_on,
        bonafide=steps.bonafide,
        spoof=steps.spoof,
        failed=len(trials.failed),
        system=trials.system,
        model_sha256=model_sha256,
        eer=eer_of_steps(steps).value,
        cllr_before=cllr(trials.bonafide_scores, trials.spoof_scores),
        cllr_after=cllr(parameters.llr(trials.bonafide_scores), parameters.llr(trials.spoof_scores)),
        min_cllr=min_cllr(steps),
    )


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write the file, whole or not at all; it is JSON."""
    text = json.dumps(calibration.model_dump(mode="json"), ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(path, text + "\n")


def read_calibration(path: Path) -> Calibration:
    """Read what `write_calibration` wrote.

    Raises:
        ScoreError: the file is not there or not a calibration; names the first fault.
    """
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ScoreError(f"{path} cannot be read: {error.strerror}", wanted="a calibration file") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ScoreError(
            f"{path} is not a calibration: {place}: {first['msg']}", wanted="what `mma calibrate` wrote"
        ) from error


def calibration_beside(model_path: Path) -> Calibration | None:
    """The calibration that was saved beside a model, or None.

    For ``best.safetensors`` it is ``best.calibration.json``; or ``calibration.json`` in the same folder, if that was
    not learned for another model of the folder.

    Args:
        model_path: the model file.

    Raises:
        ScoreError: no such model; a file that is not a calibration; ``<name>.calibration.json`` was learned on scores
            of other weights.
    """
    if not model_path.is_file():
        raise ScoreError(f"no model file at {model_path}", wanted="the file whose calibration is wanted")
    own, of_folder = (
        model_path.with_name(name) for name in (f"{model_path.stem}.calibration.json", "calibration.json")
    )
    if own.exists():
        calibration = read_calibration(own)
        if not _is_for(calibration, model_path):
            raise ScoreError(
                f"{own} was learned on scores of a model with sha256 {calibration.model_sha256[:12]}…",
                wanted=f"scores of {model_path.name}",
                remedy="score dev with this model and run `mma calibrate` again",
            )
        return calibration
    calibration = read_calibration(of_folder) if of_folder.exists() else None
    return calibration if calibration and _is_for(calibration, model_path) else None


def _is_for(calibration: Calibration, model_path: Path) -> bool:
    """Whether the weights are those; true also where nobody wrote the digest down."""
    if not calibration.model_sha256:
        return True
    with model_path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == calibration.model_sha256


def _learnable(trials: "Trials", stated: str | None) -> str:
    partition = trials.partition or stated
    if partition is None or not set(partition.split("+")) <= LEARNABLE:
        raise ScoreError(
            f"a calibration learned on {partition or 'a partition that nobody names'}",
            wanted="train or dev: what learns from eval has seen the answers that it will be judged by",
            remedy="scores of dev, or a corpus that says which utterances are dev",
        )
    if stated is not None and stated != partition:
        raise ScoreError(f"trials of {partition} given as {stated}", wanted="what the corpus says")
    return partition
