"""A06 and A19: voice conversion by spectral filtering and overlap-add; the recording's own phases stay."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.spectrum import FFT_SAMPLES, istft, stft

_CEPSTRA = 32  # 2 ms: vocal tract below, pitch above
_MAX_GAIN_DB = 20.0


def spectral_filtering(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth envelope > envelope of another vocal-tract length > the ratio filters every frame.

    The target envelope is the speaker's own, stretched or shrunk by 10 to 20 % and tilted: another person of the
    same words. Pitch and fine structure remain, which makes this the hardest kind of attack here.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws warping factor and tilt, once a clip.

    Returns:
        Shape (samples,).

    Source: the idea of A06 of ASVspoof 2019 (spectral filtering, overlap-add; Wang et al., 2020); envelopes here
    by cepstral smoothing, the target by frequency warping in place of a trained mapping.
    """
    warp = 1 + rng.choice([-1, 1]) * rng.uniform(0.10, 0.20)
    tilt_db = rng.uniform(-4, 4)
    spectra = stft(waveform)
    envelope_db = _smooth_db(np.abs(spectra))
    bins = np.arange(envelope_db.shape[1])
    nearest = np.clip(bins * warp, 0, bins[-1])
    below = np.minimum(nearest.astype(int), bins[-1] - 1)
    share = nearest - below
    target_db = envelope_db[:, below] * (1 - share) + envelope_db[:, below + 1] * share
    gain_db = target_db - envelope_db + tilt_db * (bins / bins[-1] - 0.5)
    return istft(spectra * 10 ** (np.clip(gain_db, -_MAX_GAIN_DB, _MAX_GAIN_DB) / 20), len(waveform))


def _smooth_db(magnitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log envelope in dB, shape as given, by keeping the lowest cepstral coefficients."""
    cepstra = np.fft.irfft(20 * np.log10(magnitude + 1e-6), FFT_SAMPLES)
    cepstra[:, _CEPSTRA : FFT_SAMPLES - _CEPSTRA + 1] = 0
    return np.fft.rfft(cepstra).real
