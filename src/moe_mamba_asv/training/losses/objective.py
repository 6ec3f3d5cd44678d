"""The weighted sum that is minimised, term by term."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.output import CountermeasureOutput
from moe_mamba_asv.training.losses.cross_entropy import CrossEntropyConfig, cross_entropy
from moe_mamba_asv.training.losses.oc_softmax import OcSoftmaxConfig, oc_softmax

LossConfig = Annotated[CrossEntropyConfig | OcSoftmaxConfig, Field(discriminator="kind")]


def loss_terms(
    output: CountermeasureOutput, labels: Tensor, loss: LossConfig, load_balance_weight: float
) -> dict[str, Tensor]:
    """The terms of the objective, already weighted, by name; their sum is minimised.

    Raises:
        TrainingError: a loss that the model's head cannot serve.
    """
    match loss:
        case CrossEntropyConfig():
            if output.logits is None:
                raise TrainingError(
                    "cross-entropy on a head without logits", remedy="--set model.head.kind=linear, or loss oc-softmax"
                )
            terms = {"cross_entropy": cross_entropy(output.logits, labels, loss)}
        case OcSoftmaxConfig():
            if output.logits is not None:
                raise TrainingError(
                    "OC-Softmax on the logits of a linear head",
                    wanted="the cosine of a one-class head",
                    remedy="--set model.head.kind=one-class",
                )
            terms = {"oc_softmax": oc_softmax(output.score, labels, loss)}
    if "load_balance" in output.auxiliaries:
        terms["load_balance"] = load_balance_weight * output.auxiliaries["load_balance"]
    return terms
