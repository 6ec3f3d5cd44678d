"""Heads: what an embedding is turned into. A head owns all of its parameters."""

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from moe_mamba_asv.models.discriminant_head import DiscriminantHead, DiscriminantHeadConfig
from moe_mamba_asv.models.gradient_reversal import reverse_gradient


class LinearHeadConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["linear"] = "linear"


class OneClassHeadConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["one-class"] = "one-class"


HeadConfig = Annotated[LinearHeadConfig | OneClassHeadConfig | DiscriminantHeadConfig, Field(discriminator="kind")]


class LinearHead(nn.Module):
    """Dropout > Linear: two logits; the score is their difference, the log-odds of bona fide speech.

    Args:
        width: of the embedding.
        dropout: probability in training.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 2)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Score (batch, width) embeddings: (batch,) scores, higher = bona fide, and (batch, 2) logits."""
        logits = self.linear(self.dropout(embedding))
        return logits[:, 1] - logits[:, 0], logits


class OneClassHead(nn.Module):
    """The score is the cosine between the embedding and a learnt centre of bona fide speech; there are no logits.

    Paper: Zhang et al., "One-class learning towards synthetic voice spoofing detection", 2021. Differs from its code
    in that the centre belongs to the head, not to the loss: a checkpoint scores by itself.

    Args:
        width: of the embedding.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(normalize(torch.randn(width), dim=0))

    def forward(self, embedding: Tensor) -> tuple[Tensor, None]:
        """Score (batch, width) embeddings: (batch,) cosines in [-1, 1], higher = bona fide; 0 for an embedding of 0."""
        cosine = cosine_similarity(embedding.to(self.centre.dtype), self.centre, dim=-1)
        # Rounding may carry it past 1, where its slope is 0 anyway.
        return cosine.clamp(-1, 1), None


class ProjectionHead(nn.Module):
    """Linear > ReLU > Linear > unit length: what a contrastive loss compares. No score depends on it.

    Paper: Khosla et al., "Supervised contrastive learning", 2020.

    Args:
        width: of the embedding.
        out: width of the projection.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, width) to (batch, out)."""
        return normalize(self.layers(embedding), dim=-1)


class AttackHead(nn.Module):
    """Linear: logits of the attack that made a clip, for training on several tasks. No score depends on it.

    Args:
        width: of the embedding.
        num_attacks: classes.
    """

    def __init__(self, width: int, num_attacks: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, num_attacks)

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, width) to (batch, num_attacks)."""
        return self.linear(embedding)


class DomainHead(nn.Module):
    """Gradient reversal > Linear > ReLU > Linear: logits of the corpus a clip comes from. No score depends on it.

    The head learns to tell corpora apart, and whatever made the embedding learns to prevent that.

    Paper: Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", 2015. Differs from it: the
    reversed gradient has the same weight throughout, that of the loss, where theirs grows from 0.

    Args:
        width: of the embedding.
        num_domains: corpora.
    """

    def __init__(self, width: int, num_domains: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_domains))

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, width) to (batch, num_domains)."""
        return self.layers(reverse_gradient(embedding))


def build_head(config: HeadConfig, width: int) -> LinearHead | OneClassHead | DiscriminantHead:
    """Build a head for embeddings of this width, with fresh weights; it answers a score, and logits or None."""
    match config:
        case LinearHeadConfig():
            return LinearHead(width)
        case OneClassHeadConfig():
            return OneClassHead(width)
        case DiscriminantHeadConfig():
            return DiscriminantHead(width, config)
