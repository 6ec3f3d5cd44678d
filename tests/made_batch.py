"""Batches for tests of what is learnt from them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from moe_mamba_asv.training.batch import Batch


def made_batch(
    labels: Sequence[float],
    *,
    attacks: Sequence[int] | None = None,
    domains: Sequence[int] | None = None,
    waveforms: Tensor | None = None,
) -> Batch:
    """A batch of these labels, soft where they are float; attacks and domains are 0, waveforms silent, if not given."""
    size = len(labels)
    return Batch(
        waveforms=torch.zeros(size, 10) if waveforms is None else waveforms,
        labels=torch.tensor(labels),
        rows=torch.arange(size),
        attacks=torch.tensor(attacks or [0] * size),
        domains=torch.tensor(domains or [0] * size),
    )
