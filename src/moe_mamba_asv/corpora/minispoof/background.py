"""The background of a recording, which no synthesis makes: without it, a quiet pause would tell a spoof."""

import numpy as np
from numpy.typing import NDArray

_FRAME_SAMPLES, _HOP_SAMPLES = 512, 256
#: The quietest share of the frames, in which the background is what is heard most.
_QUIET_SHARE = 0.1
_WINDOW = np.hanning(_FRAME_SAMPLES + 1)[:-1]


def missing_background(
    spoof: NDArray[np.float64], original: NDArray[np.float64], num_samples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Noise with what the quietest frames of a spoof lack of those of its original, frequency by frequency.

    Args:
        spoof: shape (samples,), the speech of it, at its final level.
        original: shape (other samples,), the speech of it.
        num_samples: length wanted.
        rng: draws the noise.

    Returns:
        Shape (num_samples,); zeros where the spoof is the louder at every frequency.
    """
    missing = np.clip(_quiet_power(original) - _quiet_power(spoof), 0, None)
    bins_of_noise = np.fft.rfftfreq(num_samples)
    shape = np.sqrt(np.interp(bins_of_noise, np.fft.rfftfreq(_FRAME_SAMPLES), missing))
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(num_samples)) * shape, num_samples)


def _quiet_power(speech: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean power by frequency of the quietest frames, shape (257,), where white noise of variance 1 has 1."""
    padded = np.pad(speech, (0, max(0, _FRAME_SAMPLES - len(speech))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME_SAMPLES)[::_HOP_SAMPLES] * _WINDOW
    num_quiet = max(1, round(_QUIET_SHARE * len(frames)))
    quietest = np.argsort((frames**2).sum(axis=1), kind="stable")[:num_quiet]
    return np.mean(np.abs(np.fft.rfft(frames[quietest])) ** 2, axis=0) / np.sum(_WINDOW**2)
