"""Adversarial training: the loss also of frames that are moved a little to where it rises fastest.

Source: Miyato, Dai and Goodfellow, "Adversarial training methods for semi-supervised text classification", ICLR 2017
(the fast gradient method on embeddings, FGM).
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.output import CountermeasureOutput, Detector
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.losses.objective import ObjectiveConfig, objective_terms, task_loss


class FgmConfig(BaseModel):
    """How far frames are moved, and how much that counts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float = Field(gt=0, description="length of the step, as a fraction of the norm of a clip's frames")
    weight: float = Field(default=1, gt=0, description="of the loss of the moved frames in the objective")


def adversarial_terms(
    model: Detector, batch: Batch, objective: ObjectiveConfig, config: FgmConfig
) -> tuple[CountermeasureOutput, dict[str, Tensor]]:
    """Judge a batch as it is, and once more with the frames that enter the back-end moved.

    The front-ends hear the batch once. The back-end, and what follows it, runs twice forward and three times backward:
    once to find the step, which is a constant from then on, and once for each of the two losses. The moved frames
    count by the loss of the task alone.

    Args:
        model: a `Countermeasure`.
        batch: labels may be soft.
        objective: losses and weights.
        config: of the step.

    Returns:
        The model's answer to the batch as it is; and its `objective_terms`, with ``adversarial`` beside them.

    Raises:
        ConfigError: a model without frames and back-end.
        TrainingError: see `objective_terms`.
    """
    if not isinstance(model, Countermeasure):
        raise ConfigError(
            f"FGM for the model {type(model).__name__}",
            wanted="a countermeasure, which has a back-end whose frames can be moved",
            remedy="--set training.fgm=null",
        )
    frames, auxiliaries = model.frames(batch.waveforms, batch.fixed)
    if not frames.requires_grad:  # nothing before the back-end is trained
        frames.requires_grad_()
    output = model.decide(frames, auxiliaries)
    terms = objective_terms(output, batch, objective)
    step = fast_gradient(task_loss(output, batch.labels, objective.loss), frames, config.epsilon)
    moved = model.decide(frames + step)
    return output, {**terms, "adversarial": config.weight * task_loss(moved, batch.labels, objective.loss)}


def fast_gradient(loss: Tensor, frames: Tensor, epsilon: float) -> Tensor:
    """The step of each clip along the gradient of a loss.

    In the paper, embeddings are normalised, lest a model makes the step small by making them large; here the step
    grows with them.

    Args:
        loss: (), whose graph is kept for its own backward pass.
        frames: (batch, frames, width), part of that graph.
        epsilon: length of the step, as a fraction of the norm of the clip's frames.

    Returns:
        Of the same shape, without a graph; 0 for a clip on which the loss does not depend.
    """
    (gradient,) = torch.autograd.grad(loss, frames, retain_graph=True)
    gradient, lengths = gradient.flatten(1).float(), frames.detach().flatten(1).float().norm(dim=1, keepdim=True)
    # By its largest entry first: the squares of the gradient of a loss that is nearly 0 would vanish.
    largest = gradient.abs().amax(dim=1, keepdim=True)
    scaled = gradient / largest.where(largest > 0, 1)
    step = epsilon * lengths * torch.nn.functional.normalize(scaled, dim=1)
    return step.view_as(frames).to(frames.dtype)
