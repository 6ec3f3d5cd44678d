"""Mixup: learning from weighted means of two clips and of their labels.

Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR 2018.
"""

from dataclasses import replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.data.mixture import UNKNOWN_ATTACK


class MixupConfig(BaseModel):
    """How strongly clips are mixed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(
        default=0.2,
        gt=0,
        description="of Beta(alpha, alpha), from which shares are drawn; near 0 clips are hardly mixed, at 1 evenly",
    )


def mixup(batch: Batch, config: MixupConfig, generator: np.random.Generator) -> Batch:
    """Mix each clip with another of the batch, or with itself where the permutation leaves it in place.

    Differs from the paper's own code, which draws one share for a whole batch: each clip has its own.

    Args:
        batch: clips with whole labels or soft ones.
        config: how strongly.
        generator: of the shares and the permutation; nothing else is drawn from.

    Returns:
        Waveforms share · clip + (1 - share) · partner, and labels likewise, so float. The rows and domains are the
        clips' own; an attack is kept where both have it, else it is not known.

    Raises:
        TrainingError: features of the clips are kept, and nobody has heard their mixtures.
    """
    if batch.fixed:
        raise TrainingError(
            "mixup of clips whose features are kept",
            wanted="front-ends that hear the mixtures",
            remedy="--set training.mixup=null, or train without kept features",
        )
    size, device = len(batch.labels), batch.labels.device
    share = torch.from_numpy(generator.beta(config.alpha, config.alpha, size)).float().to(device)
    partner = torch.from_numpy(generator.permutation(size)).to(device)
    return replace(
        batch,
        waveforms=torch.lerp(batch.waveforms[partner], batch.waveforms, share[:, None].to(batch.waveforms.dtype)),
        labels=torch.lerp(batch.labels[partner].float(), batch.labels.float(), share),
        attacks=batch.attacks.where(batch.attacks == batch.attacks[partner], UNKNOWN_ATTACK),
    )
