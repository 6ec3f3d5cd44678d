"""AASIST as published: the order of operations of its authors' code, with the weights of ours."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, selu

from moe_mamba_asv.models.aasist.encoder import ResidualBlock
from moe_mamba_asv.models.aasist.model import Aasist, AasistConfig


class PublishedBlock(ResidualBlock):
    """The published order of operations: a first norm and SELU whose answer nothing reads, and nothing folded."""

    def forward(self, maps: Tensor) -> Tensor:
        """See `ResidualBlock`."""
        if hasattr(self, "norm1"):
            selu(self.norm1(maps), inplace=True)
        inner = selu(self.norm2(self.conv1(maps)), inplace=True)
        return self.pool(self.conv2(inner) + self.shortcut(maps))


class PublishedAasist(Aasist):
    """The same, as published: maps laid out channels first."""

    def __init__(self, config: AasistConfig) -> None:
        super().__init__(config)
        for block in self.encoder:
            block.__class__ = PublishedBlock

    def _encode(self, waveforms: Tensor) -> Tensor:
        maps = max_pool2d(self.sinc_bank(waveforms).unsqueeze(1).abs(), 3)
        return self.encoder(selu(self.stem_norm(maps), inplace=True))


def both(seed: int = 0) -> tuple[Aasist, PublishedAasist]:
    """Ours and the published graph, with the same fresh weights, in evaluation mode."""
    torch.manual_seed(seed)
    ours = Aasist(AasistConfig()).eval()
    published = PublishedAasist(AasistConfig()).eval()
    published.load_state_dict(ours.state_dict())
    return ours, published
