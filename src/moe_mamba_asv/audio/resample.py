"""Every sound becomes 16 kHz, the rate of all countermeasures here."""

import numpy as np
import soxr
from numpy.typing import NDArray

from moe_mamba_asv.errors import AudioError

SAMPLE_RATE_HZ = 16_000


def resample(waveform: NDArray[np.floating], rate_hz: int, *, target_hz: int = SAMPLE_RATE_HZ) -> NDArray[np.float32]:
    """Change the sampling rate of a mono waveform with soxr at high quality (linear phase).

    Args:
        waveform: shape (samples,), at ``rate_hz``.
        rate_hz: its sampling rate.
        target_hz: the rate wanted.

    Returns:
        Shape (round(samples * target_hz / rate_hz),), at least one sample, float32; the same samples when the
        rates agree.

    Raises:
        AudioError: a rate is not positive, or the waveform is empty.

    Source: the SoX resampler (libsoxr), recipe HQ.
    """
    if rate_hz <= 0 or target_hz <= 0:
        raise AudioError(f"sampling rates {rate_hz} > {target_hz} Hz", wanted="positive rates")
    if len(waveform) == 0:
        raise AudioError("an empty waveform", wanted="at least one sample")
    samples = np.asarray(waveform, dtype=np.float32)
    if rate_hz == target_hz:
        return samples
    resampled = soxr.resample(samples, rate_hz, target_hz, quality="HQ")
    # One or two samples at a high rate are less than half a sample at 16 kHz: they stay one sample, not none.
    return resampled if len(resampled) else samples[:1]
