"""Heads: from an embedding to logits and a score. A head owns all of its parameters."""

from torch import Tensor, nn

from moe_mamba_asv.models.countermeasure import CountermeasureOutput


class LinearHead(nn.Module):
    """Dropout > Linear: two logits; the score is their difference, the log-odds of bona fide speech.

    Args:
        width: of the embedding.
        dropout: probability in training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 2)

    def forward(self, embedding: Tensor) -> CountermeasureOutput:
        """Score (batch, width) embeddings."""
        logits = self.linear(self.dropout(embedding))
        return CountermeasureOutput(score=logits[:, 1] - logits[:, 0], logits=logits, embedding=embedding)
