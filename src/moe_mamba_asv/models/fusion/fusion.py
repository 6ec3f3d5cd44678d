"""The contract of every fusion: two streams go in, one comes out, and how much each gave to it is known."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.fusion.align import align

#: Added to both norms, so that two silent streams share evenly.
_NORM_FLOOR = 1e-12


@dataclass(frozen=True)
class Fused:
    """Two streams made one.

    Attributes:
        frames: (batch, frames, width).
        shares: (batch, 2), what the first and the second stream contribute; they sum to 1 and carry no gradient.
    """

    frames: Tensor
    shares: Tensor


class Fusion(nn.Module):
    """Align > what each stream adds > their sum.

    A subclass says what each stream adds. Its share is the norm of that, relative to both: one meaning for every kind
    of fusion, after all gates and projections, so that shares of different fusions can be compared. A silent stream has
    a share of 0. Projections have no bias, which would belong to neither stream.
    """

    def forward(self, first: Tensor, second: Tensor) -> Fused:
        """Fuse a batch of clips; the slower stream is brought to the frame rate of the faster.

        Args:
            first: (batch, frames_a, width).
            second: (batch, frames_b, width), of the same clips.

        Returns:
            Frames (batch, max(frames_a, frames_b), width), and shares.
        """
        parts = self.parts(*align(first, second))
        return Fused(parts[0] + parts[1], _shares(*parts))

    def parts(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """What each of two aligned streams adds to the fused frames: all are (batch, frames, width)."""
        raise NotImplementedError

    def mean_gates(self, first: Tensor, second: Tensor) -> Tensor | None:
        """Mean gate of each clip on either of two aligned streams, (batch, 2); None where the fusion has no gates."""
        return None


@torch.no_grad()
def _shares(first: Tensor, second: Tensor) -> Tensor:
    """Norms of two (batch, frames, width) relative to their sum: (batch, 2), float32."""
    norms = torch.stack([part.float().flatten(1).norm(dim=1) for part in (first, second)], dim=1) + _NORM_FLOOR
    return norms / norms.sum(dim=1, keepdim=True)
