"""Noise beside the speech."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from moe_mamba_asv.audio.augment.ranges import within
from moe_mamba_asv.audio.augment.recordings import Recordings
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.audio.facts import speech_bounds
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

NoiseSource = Literal["white", "pink", "speech-shaped", "recorded"]
#: Pink noise is flat below: nobody hears it there, and most of its power would lie there.
_LOWEST_PINK_HZ = 20.0
_SPECTRUM_SAMPLES = 512


@dataclass(frozen=True)
class DrawnNoise:
    """All that is random in the noise of one clip.

    Attributes:
        source: what noise it is.
        snr_db: power of the speech between the edge silences over that of the noise.
        samples: normal and white, to be coloured, or a piece of a recording, shape (samples,).
    """

    source: NoiseSource
    snr_db: float
    samples: NDArray[np.floating]


class Noise(Transform):
    """White, pink or speech-shaped noise, or that of recordings, at a drawn distance from the speech.

    Speech-shaped noise has the clip's own long-term spectrum, as many voices at once do. A recording that is longer
    than the clip gives a piece, a shorter one is repeated. Length and timing stay; the sum may pass full scale, and
    silence, which has no level, stays silence.
    """

    kind: Literal["noise"] = "noise"
    sources: tuple[NoiseSource, ...] = Field(
        default=("white", "pink", "speech-shaped"), min_length=1, description="drawn from for each clip"
    )
    snr_db: Annotated[tuple[float, float], within(-30, 120)] = Field(
        default=(5.0, 30.0), description="range of speech over noise, in dB of the power between the edge silences"
    )
    recordings: Recordings | None = Field(default=None, description="what the source `recorded` plays")

    @model_validator(mode="after")
    def _recordings_are_played(self) -> Self:
        if ("recorded" in self.sources) != (self.recordings is not None):
            raise ValueError(f"sources {self.sources}, recordings {self.recordings}; wanted `recorded` with a folder")
        return self

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw noise and add it; see `add_noise`."""
        return add_noise(waveform, self.draw(len(waveform), rng))

    def draw(self, num_samples: int, rng: np.random.Generator) -> DrawnNoise:
        """Draw source, level and samples for a clip of so many samples.

        Raises:
            AudioError: a recording cannot be used.
        """
        source = self.sources[rng.integers(len(self.sources))]
        snr_db = rng.uniform(*self.snr_db)
        if source != "recorded" or self.recordings is None:
            return DrawnNoise(source, snr_db, rng.standard_normal(num_samples))
        recording = self.recordings.draw(rng)
        # From a sample that sounds, so that no piece is all silence.
        start = int(rng.choice(np.flatnonzero(recording)))
        return DrawnNoise(source, snr_db, fit_length(recording, num_samples, start=start))


def add_noise(waveform: NDArray[np.float32], drawn: DrawnNoise) -> NDArray[np.float32]:
    """Colour the noise, bring it to its level and add it.

    Args:
        waveform: shape (samples,), 16 kHz; it is not written to.
        drawn: for as many samples.

    Returns:
        Shape (samples,).
    """
    start, end = speech_bounds(waveform)
    speech_power = np.mean(waveform[start:end].astype(np.float64) ** 2)
    if speech_power == 0:
        return waveform
    noise = _coloured(drawn, waveform)
    noise_power = np.mean(noise.astype(np.float64) ** 2)
    scale = np.sqrt(speech_power / noise_power / 10 ** (drawn.snr_db / 10))
    return (waveform + scale * noise).astype(np.float32)


def _coloured(drawn: DrawnNoise, waveform: NDArray[np.float32]) -> NDArray[np.floating]:
    """Noise of the drawn colour at any level, shape (samples,)."""
    match drawn.source:
        case "pink":
            frequencies_hz = np.fft.rfftfreq(len(drawn.samples), 1 / SAMPLE_RATE_HZ)
            return _shaped(drawn.samples, 1 / np.sqrt(np.maximum(frequencies_hz, _LOWEST_PINK_HZ)))
        case "speech-shaped":
            grid = np.linspace(0, 1, len(drawn.samples) // 2 + 1)
            spectrum = _long_term_spectrum(waveform)
            return _shaped(drawn.samples, np.interp(grid, np.linspace(0, 1, len(spectrum)), spectrum))
    return drawn.samples


def _shaped(white: NDArray[np.floating], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise with these gains at frequencies from 0 to half the rate, evenly spaced; it has no edges to take care of."""
    return np.fft.irfft(np.fft.rfft(white) * gains, len(white))


def _long_term_spectrum(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """Root of the mean power at frequencies from 0 to half the rate, shape (257,)."""
    padded = np.pad(waveform.astype(np.float64), (0, max(0, _SPECTRUM_SAMPLES - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SPECTRUM_SAMPLES)[:: _SPECTRUM_SAMPLES // 2]
    # Hamming's window is nowhere zero: a clip of one sample has a spectrum too.
    return np.sqrt(np.mean(np.abs(np.fft.rfft(frames * np.hamming(_SPECTRUM_SAMPLES))) ** 2, axis=0))
