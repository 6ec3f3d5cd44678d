"""A01 and A05: the WORLD vocoder, with nothing changed between analysis and synthesis, or with another voice."""

import numpy as np
import pyworld
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.attacks.excitation import f0_track


def world_copy(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """F0, envelope and aperiodicity > pulses and noise through minimum-phase filters.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: not drawn from; WORLD's noise is its own and fixed.

    Returns:
        Shape (about samples,): WORLD rounds up to whole 5 ms frames.

    Source: Morise, Yokomori & Ozawa (2016), WORLD: a vocoder-based high-quality speech synthesis system.
    """
    del rng
    return pyworld.synthesize(*_analysed(waveform), SAMPLE_RATE_HZ)


def world_conversion(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """As `world_copy`, with F0 moved by 2 to 5 semitones and the envelope stretched by 8 to 18 % to match.

    A higher voice gets the shorter vocal tract that belongs to it, a lower one the longer.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws direction and amounts, once a clip.

    Returns:
        Shape (about samples,).

    Source: as `world_copy`; conversion by scaling F0 and warping the frequency axis is that of Sundermann & Ney
    (2003), VTLN-based voice conversion.
    """
    direction = rng.choice([-1, 1])
    f0_factor = 2 ** (direction * rng.uniform(2, 5) / 12)
    stretch = 1 + direction * rng.uniform(0.08, 0.18)
    f0_hz, envelope, aperiodicity = _analysed(waveform)
    bins = np.arange(envelope.shape[1])
    position = np.minimum(bins / stretch, bins[-1])
    warped = np.exp([np.interp(position, bins, frame) for frame in np.log(envelope)])
    return pyworld.synthesize(f0_hz * f0_factor, warped, aperiodicity, SAMPLE_RATE_HZ)


def _analysed(waveform: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """F0 (frames,), spectral envelope and aperiodicity (frames, bins)."""
    f0_hz, times_s = f0_track(waveform)
    envelope = pyworld.cheaptrick(waveform, f0_hz, times_s, SAMPLE_RATE_HZ)
    aperiodicity = pyworld.d4c(waveform, f0_hz, times_s, SAMPLE_RATE_HZ)
    return f0_hz, envelope, aperiodicity
