"""A09: a sum of sinusoids whose phases were never measured."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.attacks.excitation import f0_track
from moe_mamba_asv.corpora.minispoof.attacks.spectrum import FFT_SAMPLES, HOP_SAMPLES, stft

_UNVOICED_F0_HZ = 100.0
_TOP_HZ = 7_600.0


def sinusoidal(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Amplitudes at the harmonics of F0 > oscillators with random initial phases; no noise source.

    Unvoiced sounds become harmonics of 100 Hz whose phases wander at random.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws the phases.

    Returns:
        Shape (samples,).

    Source: McAulay & Quatieri (1986), Speech analysis/synthesis based on a sinusoidal representation; the harmonic
    variant, magnitudes only.
    """
    magnitude = np.abs(stft(waveform)) * 4 / FFT_SAMPLES  # a sinusoid's amplitude under a Hann window
    frames = np.arange(len(magnitude))
    f0_hz, times_s = f0_track(waveform)
    nearest = np.clip(np.rint(frames * HOP_SAMPLES / SAMPLE_RATE_HZ / times_s[1]).astype(int), 0, len(f0_hz) - 1)
    voiced = f0_hz[nearest] > 0
    frame_f0_hz = np.where(voiced, f0_hz[nearest], _UNVOICED_F0_HZ)
    samples = np.arange(len(waveform)) / HOP_SAMPLES
    fundamental = 2 * np.pi * np.cumsum(np.interp(samples, frames, frame_f0_hz)) / SAMPLE_RATE_HZ
    spoken = np.zeros(len(waveform))
    for harmonic in range(1, int(_TOP_HZ / frame_f0_hz.min()) + 1):
        frequency_hz = harmonic * frame_f0_hz
        position = np.minimum(frequency_hz * FFT_SAMPLES / SAMPLE_RATE_HZ, magnitude.shape[1] - 1.001)
        below = position.astype(int)
        share = position - below
        amplitude = magnitude[frames, below] * (1 - share) + magnitude[frames, below + 1] * share
        amplitude[frequency_hz > _TOP_HZ] = 0
        wander = np.cumsum(np.where(voiced, 0.0, rng.uniform(-np.pi, np.pi, len(frames)))) + rng.uniform(0, 2 * np.pi)
        phase = harmonic * fundamental + np.interp(samples, frames, wander)
        spoken += np.interp(samples, frames, amplitude) * np.cos(phase)
    return spoken
