"""The loss of masked prediction."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


class Prediction(NamedTuple):
    """How well hidden frames were guessed.

    Attributes:
        loss: what is minimised.
        masked_loss: cross-entropy on hidden frames alone, nats.
        accuracy: share of hidden frames whose cluster was scored highest.
    """

    loss: Tensor
    masked_loss: Tensor
    accuracy: Tensor


def masked_prediction(logits: Tensor, targets: Tensor, mask: Tensor, unmasked_weight: float) -> Prediction:
    """Mean cross-entropy on hidden frames, plus a weight times that on the others.

    Args:
        logits: (batch, frames, clusters).
        targets: (batch, frames), whole numbers from 0.
        mask: (batch, frames), true where hidden; somewhere it is.
        unmasked_weight: 0 leaves the others out.

    Source: Hsu et al., "HuBERT: Self-Supervised Speech Representation Learning by Masked Prediction of Hidden Units",
        2021, section II-B; there the two parts are weighted α and 1 - α.
    """
    hidden, wanted = logits[mask], targets[mask]
    masked_loss = loss = cross_entropy(hidden, wanted)
    if unmasked_weight and not mask.all():
        loss = masked_loss + unmasked_weight * cross_entropy(logits[~mask], targets[~mask])
    accuracy = (hidden.argmax(-1) == wanted).float().mean()
    return Prediction(loss, masked_loss.detach(), accuracy.detach())


def majority_share(targets: Tensor) -> float:
    """Accuracy of always answering the cluster that is most frequent among these (frames,)."""
    return torch.bincount(targets).max().item() / len(targets)
