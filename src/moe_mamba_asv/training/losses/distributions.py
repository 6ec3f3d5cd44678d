"""Logits and labels as distributions over the two classes, which `LABEL_ORDER` orders."""

import torch
from torch import Tensor


def log_probabilities(logits: Tensor) -> Tensor:
    """(batch, 2) logits to the logarithms of probabilities; in float32 at least, also where a model runs in less."""
    return logits.log_softmax(dim=1, dtype=torch.promote_types(logits.dtype, torch.float32))


def target_distribution(labels: Tensor, dtype: torch.dtype) -> Tensor:
    """(batch,) labels y, from 0 for spoof to 1 for bona fide, to (batch, 2) rows [1 - y, y].

    So one formula serves whole labels and the soft ones of mixup.
    """
    bonafide = labels.to(dtype)
    return torch.stack([1 - bonafide, bonafide], dim=1)
