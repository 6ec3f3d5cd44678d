"""Mamba as a plain layer in a network of your own, with the names, shapes and initial values of mamba-ssm.

It installs and runs anywhere: the scan is the best that the machine has (`mma doctor` says which). A state dict of
mamba-ssm's Mamba loads as it is. The task here needs memory: say at the end which of four symbols came first.

Run:  python examples/mamba_as_a_layer.py
"""

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.backends.mamba import Mamba, MambaConfig

torch.manual_seed(0)


class Remember(nn.Module):
    """Embedding > Mamba > linear, read at the last frame."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, width)  # four symbols, and 0 for noise
        self.mamba = Mamba(width, MambaConfig(d_state=16, d_conv=4, expand=2))
        self.read = nn.Linear(width, 4)

    def forward(self, symbols: Tensor) -> Tensor:
        """(batch, frames) to logits (batch, 4)."""
        frames = self.embed(symbols)
        return self.read((frames + self.mamba(frames))[:, -1])


def draw(batch: int, frames: int = 32) -> tuple[Tensor, Tensor]:
    """Sequences whose first symbol is to be remembered; the rest is 0."""
    first = torch.randint(1, 5, (batch,))
    symbols = torch.zeros(batch, frames, dtype=torch.long)
    symbols[:, 0] = first
    return symbols, first - 1


network = Remember()
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
for step in range(1, 201):
    symbols, wanted = draw(32)
    loss = nn.functional.cross_entropy(network(symbols), wanted)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.4f}")
symbols, wanted = draw(200)
print(f"right: {(network(symbols).argmax(1) == wanted).float().mean().item():.0%} of 200, by chance 25%")

print("names:", ", ".join(network.mamba.state_dict()))
with torch.inference_mode():  # frame by frame, with a state that is carried, it answers the same
    frames = torch.randn(1, 20, 32)
    whole, state, steps = network.mamba(frames), network.mamba.empty_state(1, frames), []
    for frame in frames.split(1, dim=1):
        answer, state = network.mamba.stream(frame, state)
        steps.append(answer)
print(f"largest difference of the stream from the whole: {(torch.cat(steps, 1) - whole).abs().max().item():.1e}")
