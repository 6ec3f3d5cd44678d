"""A14: the mel-cepstral vocoder of HMM synthesis."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.excitation import f0_track, pulse_or_noise
from moe_mamba_asv.corpora.minispoof.attacks.spectrum import FFT_SAMPLES, HOP_SAMPLES, overlap_add, stft

_ORDER = 24
_WARP = 0.42  # the mel scale at 16 kHz
_ITERATIONS = 8
_FLOOR = 1e-9  # of power, where full scale is 1
_POWER_OF_WINDOW = 3 / 8 * FFT_SAMPLES


def mlsa(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Mel-cepstra of order 24 every 8 ms > pulses or noise through the filter that they describe.

    The filter is the exponential of the mel-cepstrum's transform. A mel log spectrum approximation filter comes near it
    by a Padé quotient, sample by sample; here it is applied as it is to short frames that fade into each other.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws the noise of unvoiced sounds.

    Returns:
        Shape (samples,).

    Source: Fukada, Tokuda, Kobayashi & Imai (1992), An adaptive algorithm for mel-cepstral analysis of speech; Imai,
    Sumita & Furuichi (1983), Mel log spectrum approximation (MLSA) filter for speech synthesis.
    """
    cepstra = _mel_cepstra(np.abs(stft(waveform)) ** 2 / _POWER_OF_WINDOW)
    f0_hz, _ = f0_track(waveform)
    source = pulse_or_noise(f0_hz, len(waveform), rng)
    return _filtered(source, cepstra)


def _transform(fft_samples: int) -> NDArray[np.complex128]:
    """(bins, order + 1): powers of a first-order all-pass on the unit circle, the warped delays."""
    delay = np.exp(-2j * np.pi * np.arange(fft_samples // 2 + 1) / fft_samples)
    warped = (delay - _WARP) / (1 - _WARP * delay)
    return np.power(warped[:, None], np.arange(_ORDER + 1), dtype=np.complex128)


def _mel_cepstra(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frames, order + 1): the unbiased estimate, which is likeliest when a spectrum's bins are those of noise.

    Newton's method on a convex criterion. It starts at the mean of the log spectrum, which lies low, and comes from
    below, where its steps never go too far.
    """
    power = power + _FLOOR
    basis = 2 * _transform(FFT_SAMPLES).real
    cepstra = np.log(power) @ np.linalg.pinv(basis).T
    for _ in range(_ITERATIONS):
        ratio = power * np.exp(-cepstra @ basis.T)
        curvature = np.einsum("fb,bi,bj->fij", ratio, basis, basis, optimize=True)
        step = np.linalg.solve(curvature, ((ratio - 1) @ basis)[..., None])[..., 0]
        cepstra = cepstra + step
    return np.asarray(cepstra, dtype=np.float64)


def _filtered(source: NDArray[np.float64], cepstra: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frames of 16 ms, one around every cepstrum, each with room for its filter to ring out."""
    window = np.hanning(2 * HOP_SAMPLES + 1)[:-1]
    padded = np.pad(source, (HOP_SAMPLES, HOP_SAMPLES + -len(source) % HOP_SAMPLES))
    frames = np.lib.stride_tricks.sliding_window_view(padded, len(window))[::HOP_SAMPLES] * window
    length = len(window) + 2 * FFT_SAMPLES
    filters = np.exp(cepstra @ _transform(length).T)
    filtered = np.fft.irfft(np.fft.rfft(frames, length) * filters, length)
    return overlap_add(filtered, HOP_SAMPLES)[HOP_SAMPLES:][: len(source)]
