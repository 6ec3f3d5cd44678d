"""Pitch, and the pulse-or-noise source of the vocoders."""

import numpy as np
import pyworld
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

FRAME_SAMPLES = 80  # WORLD's 5 ms at 16 kHz


def f0_track(waveform: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F0 in Hz every 5 ms (0 where unvoiced) and the times in seconds, both of shape (frames,).

    Source: DIO and StoneMask of WORLD (Morise et al., 2016).
    """
    coarse_hz, times_s = pyworld.dio(waveform, SAMPLE_RATE_HZ)
    return pyworld.stonemask(waveform, coarse_hz, times_s, SAMPLE_RATE_HZ), times_s


def pulse_or_noise(f0_hz: NDArray[np.float64], num_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A source of unit power, shape (num_samples,): one pulse a period where voiced, white noise elsewhere.

    Args:
        f0_hz: shape (frames,), every 5 ms, 0 where unvoiced.
        num_samples: length wanted.
        rng: draws the noise.
    """
    held_hz = np.repeat(f0_hz, FRAME_SAMPLES)
    held_hz = np.pad(held_hz, (0, max(0, num_samples - len(held_hz))), mode="edge")[:num_samples]
    periods = np.floor(np.cumsum(held_hz) / SAMPLE_RATE_HZ)
    starts = np.diff(periods, prepend=0.0) > 0
    voiced = held_hz > 0
    source = np.where(voiced, 0.0, rng.standard_normal(num_samples))
    source[starts] = np.sqrt(SAMPLE_RATE_HZ / held_hz[starts])
    return source
