"""The activation of self-supervised encoders."""

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.native.encoder import run_gelu, serves


class Gelu(nn.Module):
    """x Φ(x), where Φ is the normal distribution: by the compiled kernel where it may serve, else by PyTorch."""

    def forward(self, numbers: Tensor) -> Tensor:
        """Any shape to the same."""
        return run_gelu(numbers) if serves(numbers, self) else nn.functional.gelu(numbers)


def is_gelu(activation: nn.Module) -> bool:
    """Whether an activation is the exact GELU, by its values."""
    probe = torch.linspace(-4, 4, 33, device="cpu")  # also where models are sized, on no device
    return torch.allclose(activation(probe), nn.functional.gelu(probe), rtol=0, atol=1e-6)
