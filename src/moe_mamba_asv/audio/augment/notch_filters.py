"""Filters with notches at random places: drawn, designed all at once, and used by FFT."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

Floats = NDArray[np.floating[Any]]

#: A stop band keeps this far from 0 Hz and from half the sampling rate.
_EDGE_HZ = 1e-3
#: The published gain is the largest among this many frequencies, evenly spaced from 0 Hz on.
_GAIN_POINTS = 512
#: Shortest FFT of a block; measured: 2,048 and 8,192 are slower for four seconds and five filters.
_BLOCK_SAMPLES = 4096


@dataclass(frozen=True)
class NotchFilters:
    """Filters, each a cascade of band-stop filters.

    Attributes:
        centres_hz: of the stop bands, shape (filters, bands).
        widths_hz: likewise.
        num_taps: of each band-stop filter, odd, likewise.
        gains_db: largest gain of each filter, shape (filters,).
    """

    centres_hz: NDArray[np.float64]
    widths_hz: NDArray[np.float64]
    num_taps: NDArray[np.int64]
    gains_db: NDArray[np.float64]


def notch_taps(filters: NotchFilters) -> NDArray[np.float64]:
    """Impulse responses without delay: symmetric, shape (filters, taps), the middle one at time zero.

    The same filters as `scipy.signal.firwin` (two cut-offs, Hamming window), convolved, and scaled by the largest gain
    that `scipy.signal.freqz` finds at its 512 frequencies.
    """
    half = int((filters.num_taps - 1).sum(axis=1).max()) // 2
    size = max(2 * _GAIN_POINTS, _power_of_two(2 * half + 1))
    gains = _response(_band_stops(filters), size).prod(axis=1)
    largest = np.abs(gains[:, : size // 2 : size // (2 * _GAIN_POINTS)]).max(axis=1)
    gains *= (10 ** (filters.gains_db / 20) / largest)[:, None]
    taps = np.asarray(scipy.fft.irfft(gains, size))
    return np.concatenate([taps[:, size - half :], taps[:, : half + 1]], axis=1)


def _band_stops(filters: NotchFilters) -> NDArray[np.float64]:
    """Windowed sinc, up to a positive factor; shape (filters, bands, taps of the longest), zeros around the shorter."""
    low = np.maximum(filters.centres_hz - filters.widths_hz / 2, _EDGE_HZ)
    high = np.minimum(filters.centres_hz + filters.widths_hz / 2, SAMPLE_RATE_HZ / 2 - _EDGE_HZ)
    half = int(filters.num_taps.max()) // 2
    time = np.arange(1, half + 1)
    angles = (2 * np.pi / SAMPLE_RATE_HZ) * time * np.stack([low, high])[..., None]
    below, above = np.sin(angles) / (np.pi * time)
    spans = filters.num_taps[..., None] - 1
    window = 0.54 + 0.46 * np.cos(2 * np.pi * time / spans)
    window[2 * time > spans] = 0
    side = (below - above) * window
    middle = 1 - (high - low)[..., None] * (2 / SAMPLE_RATE_HZ)
    taps = np.concatenate([side[..., ::-1], middle, side], axis=-1)
    # firwin divides by the gain at 0 Hz, near zero where a notch lies there; only the sign outlives the scaling by
    # the largest gain.
    return np.where(taps.sum(axis=-1, keepdims=True) < 0, -taps, taps)


def filter_powers(waveform: Floats, taps: NDArray[np.float64]) -> Floats:
    """Filter the first, second, third … power of a waveform each by its own filter, and add up.

    The sum comes one sample early, as in the published code.

    Args:
        waveform: shape (samples,); its precision is that of the computation.
        taps: symmetric, the middle one at time zero, shape (powers, taps).

    Returns:
        Shape (samples,), of the waveform's precision.
    """
    half = taps.shape[1] // 2
    block, hop, count = block_layout(len(waveform), half)
    powers = np.zeros((len(taps), count * hop + 2 * half), waveform.dtype)
    inside = powers[:, half - 1 : half - 1 + len(waveform)]
    inside[0] = waveform
    for index in range(1, len(taps)):
        np.multiply(inside[index - 1], waveform, out=inside[index])
    spectra = np.asarray(scipy.fft.rfft(sliding_window_view(powers, block, axis=1)[:, ::hop]))
    gains = _response(taps, block).astype(waveform.dtype)
    # A real gain scales both parts of a complex value, which lie side by side.
    summed = np.einsum("kbf,kf->bf", spectra.view(waveform.dtype), np.repeat(gains, 2, axis=1)).view(spectra.dtype)
    filtered = np.asarray(scipy.fft.irfft(summed, block, overwrite_x=True))
    return filtered[:, half : block - half].reshape(-1)[: len(waveform)]


def block_layout(num_samples: int, half: int) -> tuple[int, int, int]:
    """Blocks for filters of 2 × ``half`` + 1 taps: samples of an FFT, new samples in each, and how many blocks."""
    block = max(_BLOCK_SAMPLES, _power_of_two(8 * half))
    hop = block - 2 * half
    return block, hop, -(-num_samples // hop)


def _response(taps: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Gain of symmetric filters at the frequencies of an FFT: real, as the middle tap is at time zero."""
    half = taps.shape[-1] // 2
    moved = np.zeros((*taps.shape[:-1], size))
    moved[..., : half + 1], moved[..., size - half :] = taps[..., half:], taps[..., :half]
    return np.real(np.asarray(scipy.fft.rfft(moved)))


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
