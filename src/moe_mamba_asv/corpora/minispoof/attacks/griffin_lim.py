"""A02: a magnitude spectrogram turned back into sound by Griffin-Lim, as the first neural TTS systems did."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.spectrum import istft, mel_filters, stft

_NUM_MELS = 80
_ITERATIONS = 32
_MOMENTUM = 0.99


def griffin_lim(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """All magnitudes, or those that 80 mel bands leave > phases found by 32 fast Griffin-Lim iterations.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws mel or linear, evenly, and the first phases.

    Returns:
        Shape (samples,).

    Source: Perraudin, Balazs & Søndergaard (2013), A fast Griffin-Lim algorithm; momentum 0.99.
    """
    magnitude = np.abs(stft(waveform))
    if rng.random() < 0.5:
        filters = mel_filters(_NUM_MELS)
        magnitude = np.clip(magnitude @ filters.T @ np.linalg.pinv(filters).T, 0, None)
    phase: NDArray[np.complex128] = np.exp(2j * np.pi * rng.random(magnitude.shape))
    previous = np.zeros_like(phase)
    for _ in range(_ITERATIONS):
        rebuilt = stft(istft(magnitude * phase, len(waveform)))
        phase = rebuilt + _MOMENTUM * (rebuilt - previous)
        phase = phase / np.maximum(np.abs(phase), 1e-12)
        previous = rebuilt
    return istft(magnitude * phase, len(waveform))
