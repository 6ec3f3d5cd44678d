"""A07: the classic linear-prediction vocoder."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from moe_mamba_asv.corpora.minispoof.attacks.excitation import f0_track, pulse_or_noise
from moe_mamba_asv.corpora.minispoof.attacks.spectrum import FFT_SAMPLES, HOP_SAMPLES, overlap_add

_ORDER = 18
_PRE_EMPHASIS = 0.95
_WINDOW = np.hanning(FFT_SAMPLES + 1)[:-1]


def lpc_vocoder(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Pulses or noise > an all-pole filter of order 18 every 8 ms > overlap-add.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws the noise of unvoiced sounds.

    Returns:
        Shape (samples,).

    Source: Atal & Hanauer (1971), Speech analysis and synthesis by linear prediction of the speech wave.
    """
    f0_hz, _ = f0_track(waveform)
    source = pulse_or_noise(f0_hz, len(waveform), rng)
    emphasised = np.append(waveform[0], waveform[1:] - _PRE_EMPHASIS * waveform[:-1])
    pairs = zip(_windowed(emphasised), _windowed(source), strict=True)
    # Twice the window: room for the filter to ring out.
    spoken = np.stack([_all_pole(speech, np.pad(pulses, (0, FFT_SAMPLES))) for speech, pulses in pairs])
    summed = overlap_add(spoken, HOP_SAMPLES)[FFT_SAMPLES // 2 :][: len(waveform)]
    return np.asarray(lfilter([1.0], [1.0, -_PRE_EMPHASIS], summed))


def _windowed(waveform: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(waveform, (FFT_SAMPLES // 2, FFT_SAMPLES // 2 + -len(waveform) % HOP_SAMPLES))
    return np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES] * _WINDOW


def _all_pole(speech: NDArray[np.float64], source: NDArray[np.float64]) -> NDArray[np.float64]:
    """The source through the all-pole filter, and at the level, of one windowed frame of speech."""
    spectrum = np.abs(np.fft.rfft(speech, 2 * FFT_SAMPLES)) ** 2
    correlation = np.fft.irfft(spectrum)[: _ORDER + 1]
    # A floor of -60 dB white noise keeps the system solvable in digital silence.
    correlation[0] = correlation[0] * (1 + 1e-6) + 1e-9
    predictor = solve_toeplitz(correlation[:-1], correlation[1:])
    residual = max(correlation[0] - predictor @ correlation[1:], 0.0)
    return np.asarray(lfilter([np.sqrt(residual)], np.append(1.0, -predictor), source))
