"""Light CNN: convolutions that compete.

Source: Lavrentyeva et al., "STC antispoofing systems for the ASVspoof2019 challenge", Interspeech 2019. Smaller
than theirs, and without dense layers over time, so that any length is accepted.
"""

from torch import Tensor, nn

#: Frames that become one.
TIME_DIVISOR = 8


class MaxFeatureMap(nn.Module):
    """Convolution to twice the channels, then the larger of each pair: an activation that selects.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        kernel_size: odd.
        bin_stride: the output has one bin for so many of the input.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, *, bin_stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, 2 * out_channels, kernel_size, stride=(bin_stride, 1), padding=kernel_size // 2
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, in, bins, frames) to (batch, out, bins / bin_stride, frames)."""
        first, second = self.conv(maps).chunk(2, dim=1)
        return first.maximum(second)


class LightCnn(nn.Module):
    """MFM 5×5, every second bin > 3 × (pool > MFM 3×3 > BN) > mean within frequency bands.

    (batch, in_channels, bins, frames) to (batch, width, frames / 8); ``width`` is ``num_bands · channels[-1]``.

    Args:
        channels: after each of the four convolutions.
        num_bands: how many frequency regions keep a vector of their own.
        in_channels: maps.

    Attributes:
        receptive_frames: frames of the input that one of the output sees.
    """

    # 5, and then for each pooling of two frames 1 and for the convolution of three behind it 2, at 1, 2 and 4 frames.
    receptive_frames = 5 + (1 + 2 * 2) + (2 + 2 * 4) + (4 + 2 * 8)

    def __init__(self, channels: tuple[int, int, int, int], num_bands: int, in_channels: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = [MaxFeatureMap(in_channels, channels[0], 5, bin_stride=2)]
        pools = (nn.MaxPool2d((1, 2), ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True))
        for pool, before, after in zip(pools, channels[:-1], channels[1:], strict=True):
            layers += [pool, MaxFeatureMap(before, after, 3), nn.BatchNorm2d(after)]
        self.layers = nn.Sequential(*layers)
        self.num_bands = num_bands
        self.width = num_bands * channels[-1]

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Embed the frames of a batch of spectrograms."""
        maps = self.layers(spectrogram)
        bands = nn.functional.adaptive_avg_pool2d(maps, (self.num_bands, maps.shape[-1]))
        return bands.flatten(1, 2)
