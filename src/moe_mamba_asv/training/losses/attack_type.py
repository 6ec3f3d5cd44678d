"""A second task: which attack made a clip. What tells attacks apart also tells them from speech."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from moe_mamba_asv.training.data.mixture import UNKNOWN_ATTACK


def attack_type(logits: Tensor, attacks: Tensor) -> Tensor:
    """Mean cross-entropy over the clips whose attack is known; 0, with a gradient of 0, where none is.

    Args:
        logits: (batch, classes) of an attack head.
        attacks: (batch,), 0 for bona fide, k for the k-th attack, -1 where it is not known.
    """
    total = cross_entropy(logits, attacks, ignore_index=UNKNOWN_ATTACK, reduction="sum")
    return total / (attacks != UNKNOWN_ATTACK).sum().clamp_min(1)
