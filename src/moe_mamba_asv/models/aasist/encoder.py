"""The residual 2-D encoder of AASIST (that of RawNet2, with time × frequency maps)."""

from itertools import pairwise

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Conv (2, 3) > BN > SELU > conv (2, 3) > + shortcut > max-pool 3 in time.

    `norm1` takes no part in the forward pass: the published network computes it and then convolves the input
    itself. It stands here because its parameters are counted in the published 297,866 and are in the official
    weights.
    """

    def __init__(self, in_channels: int, out_channels: int, *, first: bool) -> None:
        super().__init__()
        if not first:
            self.norm1 = nn.BatchNorm2d(in_channels).requires_grad_(False)
        self.conv1 = nn.Conv2d(in_channels, out_channels, (2, 3), padding=(1, 1))
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, (2, 3), padding=(0, 1))
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, (1, 3), padding=(0, 1))
        self.pool = nn.MaxPool2d((1, 3))

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, in, bands, frames) to (batch, out, bands, frames / 3)."""
        inner = nn.functional.selu(self.norm2(self.conv1(maps)), inplace=True)
        return self.pool(self.conv2(inner) + self.shortcut(maps))


def residual_encoder(wide: int, narrow: int) -> nn.Sequential:
    """Six blocks: two of width ``wide``, four of width ``narrow``; 3^6 = 729 frames become one."""
    widths = [1, wide, wide, narrow, narrow, narrow, narrow]
    pairs = pairwise(widths)
    return nn.Sequential(*(ResidualBlock(a, b, first=i == 0) for i, (a, b) in enumerate(pairs)))
