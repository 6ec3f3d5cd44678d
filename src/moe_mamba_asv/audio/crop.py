"""The fixed length that a countermeasure hears."""

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.errors import AudioError

NUM_SAMPLES = 64_600  # 4.0375 s at 16 kHz


def fit_length(waveform: NDArray[np.float32], num_samples: int = NUM_SAMPLES, *, start: int = 0) -> NDArray[np.float32]:
    """Cut or repeat one waveform to a fixed length.

    A short clip is tiled, as the ASVspoof baselines do: zero padding would tell the model how long it was.

    Args:
        waveform: mono, shape (samples,), at least one sample.
        num_samples: 64,600 is 4.0375 s at 16 kHz.
        start: first sample kept; only used when the clip is longer, and moved back so that the cut fits.

    Returns:
        Shape (num_samples,), dtype kept; always a copy.

    Raises:
        AudioError: the waveform is empty, or ``num_samples`` or ``start`` is impossible.

    Source: the evaluation rule of AASIST (Jung et al., 2022); unlike its code, exactly ``num_samples`` samples
    are fine.
    """
    if len(waveform) == 0:
        raise AudioError("an empty waveform", wanted="at least one sample")
    if num_samples < 1 or start < 0:
        raise AudioError(f"num_samples={num_samples}, start={start}", wanted="num_samples ≥ 1 and start ≥ 0")
    if len(waveform) > num_samples:
        first = min(start, len(waveform) - num_samples)
        return waveform[first : first + num_samples].copy()
    return np.resize(waveform, num_samples)
