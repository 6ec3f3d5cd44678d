"""RawBoost step by step as its paper and code define it, with SciPy's own filters: what ours is measured against."""

from dataclasses import replace

import numpy as np
from scipy import signal

from moe_mamba_asv.audio.augment.notch_filters import Floats, NotchFilters
from moe_mamba_asv.audio.augment.rawboost import (
    CONVOLUTIVE,
    IMPULSIVE,
    STATIONARY,
    DrawnRawBoost,
    Impulses,
    RawBoost,
    StationaryNoise,
    draw_convolutive,
    draw_noise,
)

_RATE_HZ = 16_000


def plain_rawboost(waveform: Floats, config: RawBoost, rng: np.random.Generator) -> Floats:
    """Draw and apply by the published means."""
    return plain_apply(waveform, config.algorithm, plain_draw(config, len(waveform), rng))


def plain_draw(config: RawBoost, num_samples: int, rng: np.random.Generator) -> DrawnRawBoost:
    """Draw by the published means: a shuffle of all positions, and normal numbers in double precision."""
    convolutive = impulses = noise = None
    if config.algorithm in CONVOLUTIVE:
        convolutive = draw_convolutive(config, rng)
    if config.algorithm in IMPULSIVE:
        count = int(num_samples * rng.uniform(0, config.max_impulse_share))
        positions = rng.permutation(num_samples)[:count]
        impulses = Impulses(positions, config.impulse_gain * (2 * rng.random(count) - 1) * (2 * rng.random(count) - 1))
    if config.algorithm in STATIONARY:
        noise = replace(draw_noise(config, 1, rng), white=rng.normal(0, 1, num_samples))
    return DrawnRawBoost(num_samples, convolutive, impulses, noise)


def plain_apply(waveform: Floats, algorithm: int, drawn: DrawnRawBoost) -> Floats:
    """What an algorithm does to a clip by given draws.

    Args:
        waveform: shape (samples,).
        algorithm: 0 to 8.
        drawn: all that the algorithm needs.
    """
    filters, impulses, noise = drawn.convolutive, drawn.impulses, drawn.noise
    match algorithm, filters, impulses, noise:
        case 0, _, _, _:
            return waveform
        case 1, NotchFilters(), _, _:
            return plain_convolutive(waveform, filters)
        case 2, _, Impulses(), _:
            return plain_impulsive(waveform, impulses)
        case 3, _, _, StationaryNoise():
            return plain_stationary(waveform, noise)
        case 4, NotchFilters(), Impulses(), StationaryNoise():
            return plain_stationary(plain_impulsive(plain_convolutive(waveform, filters), impulses), noise)
        case 5, NotchFilters(), Impulses(), _:
            return plain_impulsive(plain_convolutive(waveform, filters), impulses)
        case 6, NotchFilters(), _, StationaryNoise():
            return plain_stationary(plain_convolutive(waveform, filters), noise)
        case 7, _, Impulses(), StationaryNoise():
            return plain_stationary(plain_impulsive(waveform, impulses), noise)
        case 8, NotchFilters(), Impulses(), _:
            return _at_most_one(plain_convolutive(waveform, filters) + plain_impulsive(waveform, impulses))
        case _:
            raise AssertionError(f"algorithm {algorithm} lacks a draw")


def plain_convolutive(waveform: Floats, filters: NotchFilters) -> Floats:
    """Powers of the clip, each through its filter, added up."""
    total = np.zeros(len(waveform))
    for index in range(len(filters.gains_db)):
        total = total + plain_filtered(np.power(waveform, index + 1), plain_taps(filters, index))
    return _at_most_one(total - np.mean(total))


def plain_impulsive(waveform: Floats, impulses: Impulses) -> Floats:
    """Multiples of samples, added to them."""
    spiked = waveform.copy()
    spiked[impulses.positions] = spiked[impulses.positions] + impulses.factors * waveform[impulses.positions]
    return _at_most_one(spiked)


def plain_stationary(waveform: Floats, noise: StationaryNoise) -> Floats:
    """Filtered noise at its level, added."""
    coloured = plain_filtered(noise.white.astype(np.float64), plain_taps(noise.colour, 0))
    coloured = coloured / np.amax(np.abs(coloured))
    scale = np.linalg.norm(waveform, 2) / 10.0 ** (0.05 * noise.snr_db)
    return waveform + coloured / np.linalg.norm(coloured, 2) * scale


def plain_taps(filters: NotchFilters, index: int) -> Floats:
    """One cascade of band-stop filters at its gain, with its delay."""
    taps = np.ones(1)
    for centre, width, num_taps in zip(
        filters.centres_hz[index], filters.widths_hz[index], filters.num_taps[index], strict=True
    ):
        low, high = centre - width / 2, centre + width / 2
        low = 1 / 1000 if low <= 0 else low
        high = _RATE_HZ / 2 - 1 / 1000 if high >= _RATE_HZ / 2 else high
        stop = np.asarray(signal.firwin(int(num_taps), [low, high], window="hamming", fs=_RATE_HZ))
        taps = np.convolve(stop, taps)
    _, response = signal.freqz(taps, 1, fs=_RATE_HZ)
    return 10 ** (filters.gains_db[index] / 20) * taps / np.amax(np.abs(response))


def plain_filtered(waveform: Floats, taps: Floats) -> Floats:
    """The clip through a filter, moved back by its delay and one sample more."""
    added = len(taps) + 1
    longer = np.asarray(signal.lfilter(taps, 1, np.pad(waveform, (0, added), "constant")))
    return longer[added // 2 : len(longer) - added // 2]


def _at_most_one(waveform: Floats) -> Floats:
    peak = np.amax(np.abs(waveform))
    return waveform / peak if peak > 1 else waveform
