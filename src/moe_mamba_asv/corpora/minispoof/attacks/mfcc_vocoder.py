"""A08: speech from MFCCs and pitch alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.attacks.excitation import f0_track, pulse_or_noise
from moe_mamba_asv.corpora.minispoof.attacks.spectrum import FFT_SAMPLES, istft, mel_centres_hz, mel_filters, stft

_NUM_MELS, _NUM_CEPSTRA = 40, 20


def mfcc_vocoder(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """20 of 40 mel cepstra > a smooth envelope > zero-phase filtering of pulses or noise.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws the noise of unvoiced sounds.

    Returns:
        Shape (samples,).

    Source: Milner & Shao (2002), Speech reconstruction from mel-frequency cepstral coefficients using a
    source-filter model; here without their fundamental-frequency prediction.
    """
    log_mel = np.log(np.abs(stft(waveform)) ** 2 @ mel_filters(_NUM_MELS).T + 1e-10)
    cepstra = np.asarray(dct(log_mel, axis=1, norm="ortho"))
    cepstra[:, _NUM_CEPSTRA:] = 0
    smooth = np.asarray(idct(cepstra, axis=1, norm="ortho"))
    bins_hz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    centres_hz = mel_centres_hz(_NUM_MELS)[1:-1]
    envelope = np.exp(0.5 * np.stack([np.interp(bins_hz, centres_hz, frame) for frame in smooth]))
    f0_hz, _ = f0_track(waveform)
    return istft(stft(pulse_or_noise(f0_hz, len(waveform), rng)) * envelope, len(waveform))
