"""A front-end on the spectrum, its phase too: what a vocoder that starts from magnitudes has to make up."""

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.models.backends.lcnn import TIME_DIVISOR, LightCnn
from moe_mamba_asv.models.frontends.frontend import SHORTEST_SAMPLES, Frontend
from moe_mamba_asv.models.frontends.log_spectrogram import HOP_SAMPLES, WINDOW_SAMPLES, LogSpectrogram

#: Brings a log power, a natural logarithm, to the size of a cosine.
_LEVEL_SCALE = 1 / 3
#: Below this a bin has no phase worth the name.
_SMALLEST_MAGNITUDE = 1e-6
_NUM_PHASE_MAPS = 6


class SpectralConfig(BaseModel):
    """Size of a `SpectralFrontend`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["spectral"] = "spectral"
    phase: bool = Field(default=True, description="whether maps of the phase lie beside that of the level")
    channels: tuple[
        Annotated[int, Field(ge=1)],
        Annotated[int, Field(ge=1)],
        Annotated[int, Field(ge=1)],
        Annotated[int, Field(ge=1)],
    ] = Field(default=(16, 24, 32, 48), description="channels after each convolution")
    num_bands: int = Field(default=8, ge=1, description="frequency regions that keep a vector of their own")


class SpectralFrontend(Frontend):
    """Log power and phase curvature of an STFT > light CNN.

    Models that hear mel bands, Whisper's among them, hear no phase.

    Args:
        config: size.
    """

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        self.phase = config.phase
        self.spectrogram = LogSpectrogram()
        self.encoder = LightCnn(config.channels, config.num_bands, in_channels=1 + _NUM_PHASE_MAPS * config.phase)
        self.width = self.encoder.width
        self.hop_samples = HOP_SAMPLES * TIME_DIVISOR
        self.frame_rate_hz = SAMPLE_RATE_HZ / self.hop_samples
        self.receptive_field_samples = WINDOW_SAMPLES + HOP_SAMPLES * (LightCnn.receptive_frames - 1 + 2 * config.phase)

    def num_frames(self, num_samples: int) -> int:
        """Frames that a waveform of so many samples gives.

        Raises:
            AudioError: fewer than `SHORTEST_SAMPLES`.
        """
        if num_samples < SHORTEST_SAMPLES:
            raise AudioError(f"a clip of {num_samples} samples", wanted=f"at least {SHORTEST_SAMPLES}, 0.1 s")
        return -(-(1 + num_samples // HOP_SAMPLES) // TIME_DIVISOR)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Embed a batch: (batch, samples) to (batch, frames, width).

        Raises:
            AudioError: fewer than `SHORTEST_SAMPLES`.
        """
        self.num_frames(waveforms.shape[1])
        spectrum = self.spectrogram.spectrum(waveforms)
        maps = _LEVEL_SCALE * self.spectrogram.level(spectrum)
        if self.phase:
            maps = torch.cat([maps, phase_curvature(spectrum)], dim=1)
        return self.encoder(maps).transpose(1, 2)


def phase_curvature(spectrum: Tensor) -> Tensor:
    """Second differences of the phase, as cosines and sines: over time, over frequency, and over one and the other.

    They depend on no delay and no constant phase of the clip. Of a steady tone the first is 0, of a click the second;
    magnitudes that were given a phase afterwards have neither. Where a difference would need a bin outside the
    spectrum, its cosine and sine are 0. Magnitudes do not count.

    Args:
        spectrum: complex, (batch, bins, frames).

    Returns:
        (batch, 6, bins, frames), in [-1, 1]: cosine and sine of each.
    """
    # Pairs of real numbers: not everything that a model may be exported to knows complex ones.
    scale = spectrum.abs().clamp_min(_SMALLEST_MAGNITUDE).reciprocal()
    unit = spectrum.real * scale, spectrum.imag * scale
    over_time, over_bins = _difference(unit, 2), _difference(unit, 1)
    seconds = (_difference(over_time, 2), _difference(over_bins, 1), _difference(over_time, 1))
    return torch.stack([part for second in seconds for part in second], dim=1)


def _difference(unit: tuple[Tensor, Tensor], dim: int) -> tuple[Tensor, Tensor]:
    """Phase of each entry less that of the one before, as cosine and sine; both 0 for the first."""
    cosine, sine = (part.narrow(dim, 1, part.shape[dim] - 1) for part in unit)
    cosine_before, sine_before = (part.narrow(dim, 0, part.shape[dim] - 1) for part in unit)
    difference = cosine * cosine_before + sine * sine_before, sine * cosine_before - cosine * sine_before
    first = torch.zeros_like(unit[0].narrow(dim, 0, 1))
    return torch.cat([first, difference[0]], dim), torch.cat([first, difference[1]], dim)
