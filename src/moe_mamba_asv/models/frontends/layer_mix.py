"""How much of each layer: one learned share for every hidden state of a self-supervised model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Σ softmax(logits)_k · h_k: a weighted mean of hidden states, equal shares at the start.

    Args:
        num_states: hidden states to mix.

    Source: Yang et al., "SUPERB: Speech processing Universal PERformance Benchmark", Interspeech 2021.
    """

    def __init__(self, num_states: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_states))

    def shares(self) -> Tensor:
        """What each hidden state contributes, (num_states,); sums to 1 and carries no gradient."""
        return self.logits.detach().softmax(0)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Mix hidden states of equal shape (batch, frames, width) into one of that shape."""
        return torch.tensordot(self.logits.softmax(0), torch.stack(tuple(states)), dims=1)
