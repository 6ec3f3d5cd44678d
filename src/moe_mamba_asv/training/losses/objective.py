"""The weighted sum that is minimised, term by term."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.output import CountermeasureOutput
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.losses.attack_type import attack_type
from moe_mamba_asv.training.losses.cross_entropy import CrossEntropyConfig, cross_entropy
from moe_mamba_asv.training.losses.domain import domain
from moe_mamba_asv.training.losses.focal import FocalConfig, focal
from moe_mamba_asv.training.losses.oc_softmax import OcSoftmaxConfig, oc_softmax
from moe_mamba_asv.training.losses.supcon import SupConConfig, supcon

LossConfig = Annotated[CrossEntropyConfig | FocalConfig | OcSoftmaxConfig, Field(discriminator="kind")]


class ObjectiveConfig(BaseModel):
    """What is minimised: the loss of the task, and what is added to it. A weight of 0 leaves a term out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loss: LossConfig = Field(description="of the task itself, bona fide or spoof")
    load_balance: float = Field(
        default=0.01, ge=0, description="weight of the routers' load-balance loss, where a model has routers"
    )
    supcon: SupConConfig | None = Field(
        default=None, description="supervised contrastive loss on the model's projection; none without"
    )
    attack_type: float = Field(default=0, ge=0, description="weight of telling attacks apart; needs model.num_attacks")
    domain: float = Field(
        default=0, ge=0, description="weight of making corpora alike by gradient reversal; needs model.num_domains"
    )
    l2_sp: float = Field(
        default=0, ge=0, description="weight of half the squared distance to the weights that training started from"
    )


def objective_terms(output: CountermeasureOutput, batch: Batch, config: ObjectiveConfig) -> dict[str, Tensor]:
    """The terms that follow from a model's answer, already weighted, by name; their sum is minimised.

    The distance to the starting weights follows from no answer; the learner, who knows them, adds it.

    Args:
        output: the answer to the batch.
        batch: labels may be whole numbers, or float from 0 to 1 where clips are mixed; those have no one attack, corpus
            or class any more, and only the loss of the task and load balance take them.
        config: losses and weights.

    Raises:
        TrainingError: a loss that the model's heads, or the labels, cannot serve.
    """
    terms = {config.loss.kind.replace("-", "_"): task_loss(output, batch.labels, config.loss)}
    if config.load_balance and "load_balance" in output.auxiliaries:
        terms["load_balance"] = config.load_balance * output.auxiliaries["load_balance"]
    if config.supcon is not None:
        _refuse_mixed(batch, "supcon")
        projection = _of_head(output, "projection", "--set model.projection_width=64")
        classes = batch.labels if config.supcon.by == "label" else batch.attacks
        terms["supcon"] = config.supcon.weight * supcon(projection, classes, config.supcon.temperature)
    if config.attack_type:
        _refuse_mixed(batch, "attack_type")
        logits = _logits(output, "attack_logits", batch.attacks, "num_attacks")
        terms["attack_type"] = config.attack_type * attack_type(logits, batch.attacks)
    if config.domain:
        _refuse_mixed(batch, "domain")
        logits = _logits(output, "domain_logits", batch.domains, "num_domains")
        terms["domain"] = config.domain * domain(logits, batch.domains)
    return terms


def task_loss(output: CountermeasureOutput, labels: Tensor, loss: LossConfig) -> Tensor:
    """The loss of the task itself: bona fide or spoof.

    Args:
        output: the answer to a batch.
        labels: (batch,), 1 for bona fide; soft ones are float and lie in between.
        loss: which one.

    Raises:
        TrainingError: the model's head does not answer what the loss is computed from.
    """
    match loss:
        case OcSoftmaxConfig():
            if output.logits is not None:
                raise TrainingError(
                    "OC-Softmax on the logits of a linear head",
                    wanted="the cosine of a one-class head",
                    remedy="--set model.head.kind=one-class",
                )
            return oc_softmax(output.score, labels, loss)
        case CrossEntropyConfig():
            return cross_entropy(_two_logits(output, loss.kind), labels, loss)
        case FocalConfig():
            return focal(_two_logits(output, loss.kind), labels, loss)


def _two_logits(output: CountermeasureOutput, loss: str) -> Tensor:
    if output.logits is None:
        raise TrainingError(
            f"{loss} on a head without logits",
            remedy="--set model.head.kind=linear, or --set training.objective.loss.kind=oc-softmax",
        )
    return output.logits


def _of_head(output: CountermeasureOutput, name: str, remedy: str) -> Tensor:
    if name not in output.auxiliaries:
        raise TrainingError(f"a loss on {name}, which this model does not answer", remedy=remedy)
    return output.auxiliaries[name]


def _logits(output: CountermeasureOutput, name: str, classes: Tensor, key: str) -> Tensor:
    """Logits that have room for these classes: on a GPU, PyTorch would end the process without saying why."""
    num_needed = int(classes.max()) + 1
    remedy = f"--set model.{key}={max(num_needed, 2)}, or more where training has more classes than this batch"
    logits = _of_head(output, name, remedy)
    if num_needed > logits.shape[1]:
        raise TrainingError(f"{name} of {logits.shape[1]} classes for a clip of class {num_needed - 1}", remedy=remedy)
    return logits


def _refuse_mixed(batch: Batch, term: str) -> None:
    if batch.labels.is_floating_point():
        raise TrainingError(
            f"{term} with mixup, whose clips have no one class",
            wanted="whole labels",
            remedy=f"either mixup or {term}",
        )
