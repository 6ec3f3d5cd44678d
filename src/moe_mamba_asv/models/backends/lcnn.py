"""Light CNN: convolutions that compete.

Source: Lavrentyeva et al., "STC antispoofing systems for the ASVspoof2019 challenge", Interspeech 2019. Smaller
than theirs, with statistics over time in place of a dense layer, so that any length is accepted.
"""

from torch import Tensor, nn


class MaxFeatureMap(nn.Module):
    """Convolution to twice the channels, then the larger of each pair: an activation that selects."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 2 * out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, in, height, width) to (batch, out, height, width)."""
        first, second = self.conv(maps).chunk(2, dim=1)
        return first.maximum(second)


def _stage(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        MaxFeatureMap(in_channels, in_channels, 1),
        nn.BatchNorm2d(in_channels),
        MaxFeatureMap(in_channels, out_channels, 3),
        nn.BatchNorm2d(out_channels),
        nn.MaxPool2d(2, ceil_mode=True),
    )


class LightCnn(nn.Module):
    """MFM 5×5, stride 2 > pool > 3 × (MFM 1×1 > MFM 3×3 > pool) > mean over frequency bands.

    (batch, 1, bins, frames) to (batch, width, frames / 32); ``width`` is ``bands · channels[-1]``.

    Args:
        channels: after each of the four stages.
        num_bands: how many frequency regions keep a vector of their own.
    """

    def __init__(self, channels: tuple[int, int, int, int], num_bands: int) -> None:
        super().__init__()
        first, *rest = channels
        self.stem = nn.Sequential(
            nn.Conv2d(1, 2 * first, 5, stride=2, padding=2), nn.BatchNorm2d(2 * first), nn.MaxPool2d(2, ceil_mode=True)
        )
        self.stages = nn.Sequential(*(_stage(a, b) for a, b in zip((first, *rest[:-1]), rest, strict=True)))
        self.num_bands = num_bands
        self.width = num_bands * channels[-1]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Embed the frames of a batch of spectrograms."""
        first, second = self.stem(spectrogram).chunk(2, dim=1)
        maps = self.stages(first.maximum(second))
        bands = nn.functional.adaptive_avg_pool2d(maps, (self.num_bands, maps.shape[-1]))
        return bands.flatten(1, 2)
