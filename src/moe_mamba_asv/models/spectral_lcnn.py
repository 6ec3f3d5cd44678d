"""A small spectral detector: minutes to train on two cores."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.models.backends.lcnn import LightCnn
from moe_mamba_asv.models.frontends.log_spectrogram import LogSpectrogram
from moe_mamba_asv.models.heads import LinearHead
from moe_mamba_asv.models.output import CountermeasureOutput, Detector
from moe_mamba_asv.models.pooling import statistics_pooling


class SpectralLcnnConfig(BaseModel):
    """Size of a `SpectralLcnn`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["spectral-lcnn"] = "spectral-lcnn"
    channels: tuple[int, int, int, int] = Field(default=(8, 12, 16, 24), description="channels after each convolution")
    num_bands: int = Field(default=8, ge=1, description="frequency regions that keep a vector of their own")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="before the head, in training")


class SpectralLcnn(Detector):
    """Log spectrogram > light CNN > statistics pooling > linear head.

    Accepts any length from 0.1 s.
    """

    def __init__(self, config: SpectralLcnnConfig) -> None:
        super().__init__()
        self.frontend = LogSpectrogram()
        self.backend = LightCnn(config.channels, config.num_bands)
        self.head = LinearHead(2 * self.backend.width, config.dropout)

    def forward(self, waveforms: Tensor) -> CountermeasureOutput:
        """Score a (batch, samples) tensor."""
        embedding = statistics_pooling(self.backend(self.frontend(waveforms)))
        score, logits = self.head(embedding)
        return CountermeasureOutput(score, embedding, logits)
