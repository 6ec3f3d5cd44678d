"""What there is to predict: to which cluster a frame belongs, in the eyes of something that hears the whole clip."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.models.frontends.ssl_inputs import MEL_HOP_SAMPLES, WhisperLogMel

#: Rounds of k-means at most; it is over once no frame changes sides.
_MAX_ROUNDS = 100
_NUM_MEL_BINS = 40


class MelFeatures(nn.Module):
    """Log-mel spectrum at the middle of each frame of a model, without the level of the clip.

    Args:
        frame_centres: number of samples to (frames,): where in them the middle of each frame lies.
    """

    def __init__(self, frame_centres: Callable[[int], Tensor]) -> None:
        super().__init__()
        self.frame_centres, self.log_mel = frame_centres, WhisperLogMel(_NUM_MEL_BINS)

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, 40)."""
        log_mel = self.log_mel(waveforms)
        centres = self.frame_centres(waveforms.shape[1]).to(waveforms.device)
        nearest = (centres / MEL_HOP_SAMPLES).round().long().clamp(max=log_mel.shape[2] - 1)
        return (log_mel - log_mel.mean(dim=(1, 2), keepdim=True))[:, :, nearest].transpose(1, 2)


class HiddenFeatures(nn.Module):
    """One hidden state of a model that stays as it is.

    Args:
        source: of the model.
        layer: number of the hidden state.

    Raises:
        CheckpointError: see `SslFrontend`.
        ConfigError: the model has fewer layers.
    """

    def __init__(self, source: str, layer: int) -> None:
        super().__init__()
        self.frontend = SslFrontend(SslConfig(source=source, layers=(layer,)))

    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames, width)."""
        return self.frontend.hidden_states(waveforms)[0]


class FrameTargets(nn.Module):
    """Waveform > features of frames > number of the nearest cluster.

    Args:
        features: (batch, samples) to (batch, frames, dimensions).
        centres: (clusters, dimensions).
    """

    centres: Tensor

    def __init__(self, features: nn.Module, centres: Tensor) -> None:
        super().__init__()
        self.features = features.requires_grad_(False)
        self.register_buffer("centres", centres)

    @torch.no_grad()
    def forward(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, frames), whole numbers from 0."""
        return nearest_centre(self.features(waveforms), self.centres)


def nearest_centre(frames: Tensor, centres: Tensor) -> Tensor:
    """(…, dimensions) to (…): which of the (clusters, dimensions) is nearest, the first of equals."""
    return (frames @ centres.T - centres.square().sum(1) / 2).argmax(-1)


def fit_centres(frames: Tensor, num_clusters: int, random: np.random.Generator) -> Tensor:
    """Find clusters: k-means from centres that were drawn far apart.

    Args:
        frames: (frames, dimensions).
        num_clusters: of them.
        random: draws the first centres.

    Returns:
        (clusters, dimensions).

    Raises:
        TrainingError: fewer distinct frames than clusters.

    Source: Lloyd, "Least squares quantization in PCM", 1982; Arthur and Vassilvitskii, "k-means++", 2007.
    """
    mean = frames.mean(0)  # far from zero, distances would drown in rounding
    frames = frames - mean
    centres = _far_apart(frames, num_clusters, random)
    sides = nearest_centre(frames, centres)
    for _ in range(_MAX_ROUNDS):
        counts = torch.bincount(sides, minlength=num_clusters)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, sides, frames)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)  # an empty one stays where it was
        before, sides = sides, nearest_centre(frames, centres)
        if torch.equal(before, sides):
            break
    return centres + mean


def _far_apart(frames: Tensor, num_clusters: int, random: np.random.Generator) -> Tensor:
    """Frames, each drawn with a chance that grows with its squared distance from those before."""
    chosen = [int(random.integers(len(frames)))]
    distances = (frames - frames[chosen[0]]).square().sum(1)
    while len(chosen) < num_clusters:
        total = distances.sum()
        if not total > 0:
            raise TrainingError(
                f"{num_clusters} clusters of {len(frames):,} frames, of which {len(chosen)} are distinct",
                wanted="fewer clusters, or more speech",
            )
        chances = distances.double().numpy()
        chosen.append(int(random.choice(len(frames), p=chances / chances.sum())))
        distances = torch.minimum(distances, (frames - frames[chosen[-1]]).square().sum(1))
    return frames[chosen]
