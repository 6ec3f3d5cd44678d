"""A01: analysis and synthesis with the WORLD vocoder, nothing changed in between."""

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
    f0_hz, times_s = f0_track(waveform)
    envelope = pyworld.cheaptrick(waveform, f0_hz, times_s, SAMPLE_RATE_HZ)
    aperiodicity = pyworld.d4c(waveform, f0_hz, times_s, SAMPLE_RATE_HZ)
    return pyworld.synthesize(f0_hz, envelope, aperiodicity, SAMPLE_RATE_HZ)
