"""Short-time spectra and mel filters that several attacks share."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

FFT_SAMPLES = 512
HOP_SAMPLES = 128
_WINDOW = np.hanning(FFT_SAMPLES + 1)[:-1]  # periodic: its shifted squares add up to a constant


def stft(waveform: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Spectra of shape (frames, 257): 32 ms Hann windows every 8 ms, the first centred on sample 0."""
    tail = -len(waveform) % HOP_SAMPLES
    padded = np.pad(waveform, (FFT_SAMPLES // 2, FFT_SAMPLES // 2 + tail))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::HOP_SAMPLES]
    return np.fft.rfft(frames * _WINDOW)


def istft(spectra: NDArray[np.complex128], num_samples: int) -> NDArray[np.float64]:
    """The waveform of shape (num_samples,) whose spectra are nearest to these, in the least-squares sense.

    Source: Griffin & Lim (1984), Signal estimation from modified short-time Fourier transform, eq. 6.
    """
    frames = np.fft.irfft(spectra, FFT_SAMPLES) * _WINDOW
    summed = overlap_add(frames, HOP_SAMPLES)
    weight = overlap_add(np.tile(_WINDOW**2, (len(frames), 1)), HOP_SAMPLES)
    centre = slice(FFT_SAMPLES // 2, FFT_SAMPLES // 2 + num_samples)
    return summed[centre] / weight[centre]


def overlap_add(frames: NDArray[np.float64], hop_samples: int) -> NDArray[np.float64]:
    """Sum frames of shape (frames, length), each one hop later, to ((frames - 1) * hop + length,) samples."""
    num_frames, length = frames.shape
    parts = -(-length // hop_samples)
    pieces = np.pad(frames, ((0, 0), (0, parts * hop_samples - length))).reshape(num_frames, parts, hop_samples)
    summed = np.zeros((num_frames + parts - 1, hop_samples))
    for part in range(parts):
        summed[part : part + num_frames] += pieces[:, part]
    return summed.ravel()[: (num_frames - 1) * hop_samples + length]


@cache
def mel_centres_hz(num_mels: int) -> NDArray[np.float64]:
    """Edges and centres of triangular mel filters between 0 and 8 kHz, shape (num_mels + 2,), HTK's scale."""
    top_mel = 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700)
    return 700 * (10 ** (np.linspace(0, top_mel, num_mels + 2) / 2595) - 1)


@cache
def mel_filters(num_mels: int) -> NDArray[np.float64]:
    """Triangular filters of shape (num_mels, 257), each with weights that sum to one."""
    edges_hz = mel_centres_hz(num_mels)
    bins_hz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    weights = np.clip(np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)), 0, None)
    # The lowest filters can be narrower than a bin and miss them all: they hear the nearest bin.
    empty = np.flatnonzero(weights.sum(axis=1) == 0)
    weights[empty, np.abs(bins_hz[None] - centre[empty]).argmin(axis=1)] = 1.0
    return weights / weights.sum(axis=1, keepdims=True)
