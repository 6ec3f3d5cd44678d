"""Supervised contrastive loss: clips of a class close to each other, those of other classes away from them.

Source: Khosla et al., "Supervised contrastive learning", NeurIPS 2020, equation 2 (L_out, which they recommend).
"""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import normalize

from moe_mamba_asv.training.data.mixture import UNKNOWN_ATTACK


class SupConConfig(BaseModel):
    """Weight and temperature; the defaults are those of phase 3."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: float = Field(default=0.1, gt=0, description="of the supervised contrastive loss in the objective")
    temperature: float = Field(
        default=0.07, gt=0, description="that cosines are divided by; the lower, the more the closest clips count"
    )
    by: Literal["label", "attack"] = Field(
        default="label",
        description="what makes two clips alike: both bona fide or both spoofed, or both also of the same attack",
    )


def supcon(projection: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """Mean over clips i of the mean over all others p of its class of -log(exp(s_ip) / Σ_{a ≠ i} exp(s_ia)).

    Here s is a cosine over the temperature. A clip without another of its class is only compared to; where all are
    such, the loss is 0, with a gradient of 0.

    Args:
        projection: (batch, width), of any length but 0.
        classes: (batch,), whole numbers; clips of the class -1, which is not known, are left out.
        temperature: above 0.
    """
    known = classes != UNKNOWN_ATTACK
    classes = classes[known]
    # In bfloat16 a cosine over 0.07 would be wrong in its first decimal.
    with torch.autocast(projection.device.type, enabled=False):
        unit = normalize(projection[known].to(torch.promote_types(projection.dtype, torch.float32)), dim=1)
        similarity = unit @ unit.T / temperature
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    total = similarity.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
    alike = (classes[:, None] == classes) & ~itself
    partners = alike.sum(dim=1)
    losses = (total - similarity).where(alike, 0).sum(dim=1) / partners.clamp_min(1)
    return losses.sum() / (partners > 0).sum().clamp_min(1)
