"""How much of each layer: one learned share for every hidden state of a self-supervised model."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Σ softmax(logits)_k · h_k: a weighted mean of hidden states, equal shares at the start.

    Args:
        num_states: hidden states to mix.
        standardised: of so many numbers in a frame, each is brought to mean 0 and deviation 1 before it is mixed, over
            the batch in training and as they were there on average later. None: hidden states are mixed as they are;
            then a few large numbers speak for all.

    Source: Yang et al., "SUPERB: Speech processing Universal PERformance Benchmark", Interspeech 2021; it normalises
        nothing.
    """

    def __init__(self, num_states: int, standardised: int | None = None) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_states))
        self.norms = (
            None
            if standardised is None
            else nn.ModuleList(nn.BatchNorm1d(standardised, affine=False) for _ in range(num_states))
        )

    def shares(self) -> Tensor:
        """What each hidden state contributes, (num_states,); sums to 1 and carries no gradient."""
        return self.logits.detach().softmax(0)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Mix hidden states of equal shape (batch, frames, width) into one of that shape."""
        if self.norms is not None:
            pairs = zip(self.norms, states, strict=True)
            states = [norm(state.flatten(0, 1)).unflatten(0, state.shape[:2]) for norm, state in pairs]
        shares = self.logits.softmax(0)
        mixed = shares[0] * states[0]
        for share, state in zip(shares[1:], states[1:], strict=True):
            mixed = torch.addcmul(mixed, share, state)
        return mixed
