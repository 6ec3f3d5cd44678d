"""One-class softmax: bona fide speech close to a centre, everything else away from it.

Source: Zhang, Jiang and Duan, "One-class learning towards synthetic voice spoofing detection", IEEE SPL 2021.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import softplus


class OcSoftmaxConfig(BaseModel):
    """Margins and scale; the defaults are the published ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["oc-softmax"] = "oc-softmax"
    r_real: float = Field(default=0.9, ge=-1, le=1, description="bona fide cosines are pushed above this")
    r_fake: float = Field(default=0.2, ge=-1, le=1, description="spoofed cosines are pushed below this")
    alpha: float = Field(default=20.0, gt=0, description="scale: how sharply a margin is felt")


def oc_softmax(score: Tensor, labels: Tensor, config: OcSoftmaxConfig) -> Tensor:
    """Mean of softplus(alpha (r_real - s)) over bona fide and softplus(alpha (s - r_fake)) over spoofed speech.

    Args:
        score: (batch,), the cosine that a one-class head answers, which is also what the model scores by.
        labels: (batch,), 1 for bona fide; a soft label takes its shares of both terms.
        config: margins and scale.
    """
    bonafide = labels.to(score.dtype)
    too_far = softplus(config.alpha * (config.r_real - score))
    too_close = softplus(config.alpha * (score - config.r_fake))
    return (bonafide * too_far + (1 - bonafide) * too_close).mean()
