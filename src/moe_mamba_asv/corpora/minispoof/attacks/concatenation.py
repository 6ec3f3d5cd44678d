"""A04 and A16: pieces of the speaker's own speech, put together anew."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.spatial.distance import cdist

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.attacks.recording import Recording
from moe_mamba_asv.corpora.minispoof.attacks.spectrum import HOP_SAMPLES, mel_filters, stft

_NUM_CEPSTRA = 13
_UNIT_FRAMES = 12  # 96 ms: about a phone
#: Pieces of the recording itself must come from elsewhere than the place that they are for.
_ELSEWHERE_FRAMES = round(0.4 * SAMPLE_RATE_HZ / HOP_SAMPLES)
_CANDIDATES = 30
_JOIN_WEIGHT = 2.0
_FADE_SAMPLES = 160  # 10 ms
_SLIDE_SAMPLES = 80  # half a period of 100 Hz: joins fall in phase
_MAX_GAIN = 4.0


def concatenation(recording: Recording, rng: np.random.Generator) -> NDArray[np.float64]:
    """For each 96 ms the most alike piece of the speaker's speech > joins in phase > cross-fades of 10 ms.

    The pieces come from the speaker's other recordings, and from other places of this one. Of the most alike for each
    place, those are taken that together differ and jump least.

    Args:
        recording: its words and their timing are kept.
        rng: not drawn from; the search has one answer.

    Returns:
        Shape (about samples,); the waveform itself where it is too short to hold another piece.

    Source: Hunt & Black (1996), Unit selection in a concatenative speech synthesis system using a large speech
    database; targets are cepstra of the recording in place of those that a text analysis predicts.
    """
    del rng
    waveform = recording.waveform
    database = np.concatenate([waveform, *recording.other_waveforms()])
    wanted, stored = _cepstra(waveform), _cepstra(database)
    starts = np.arange(0, len(wanted) - _UNIT_FRAMES, _UNIT_FRAMES)
    starts = np.append(starts, max(0, len(wanted) - _UNIT_FRAMES))  # so that the end is spoken too
    last = len(stored) - _UNIT_FRAMES - 1
    if last <= 2 * _ELSEWHERE_FRAMES:
        return waveform
    distance = _unit_distance(wanted, stored, starts, last)
    candidates = np.argsort(distance, axis=1, kind="stable")[:, :_CANDIDATES]
    chosen = _cheapest_path(np.take_along_axis(distance, candidates, axis=1), candidates, stored)
    return _joined(waveform, database, starts * HOP_SAMPLES, chosen * HOP_SAMPLES)


def _cepstra(waveform: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frames, cepstra), every 8 ms; the first holds the level and counts less."""
    log_mel = np.log(np.abs(stft(waveform)) ** 2 @ mel_filters(40).T + 1e-8)
    cepstra = np.asarray(dct(log_mel, axis=1, norm="ortho"))[:, :_NUM_CEPSTRA]
    cepstra[:, 0] *= 0.3
    return cepstra


def _unit_distance(
    wanted: NDArray[np.float64], stored: NDArray[np.float64], starts: NDArray[np.int64], last: int
) -> NDArray[np.float64]:
    """(units, places): mean distance between a unit and what begins at each place; infinite near its own."""
    frames = cdist(wanted, stored)
    distance = np.zeros((len(starts), last + 1))
    for offset in range(_UNIT_FRAMES):
        distance += frames[starts + offset, offset : last + 1 + offset]
    distance /= _UNIT_FRAMES
    for unit, start in enumerate(starts):
        distance[unit, max(0, start - _ELSEWHERE_FRAMES) : start + _ELSEWHERE_FRAMES + 1] = np.inf
    return distance


def _cheapest_path(
    cost: NDArray[np.float64], candidates: NDArray[np.int64], stored: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The place of each unit, by Viterbi: its distance, and the jump from the frame after the unit before it."""
    total, came_from = cost[0], []
    for unit in range(1, len(candidates)):
        jumps = cdist(stored[candidates[unit - 1] + _UNIT_FRAMES], stored[candidates[unit]])
        reached = total[:, None] + _JOIN_WEIGHT * jumps / _UNIT_FRAMES
        came_from.append(reached.argmin(axis=0))
        total = reached.min(axis=0) + cost[unit]
    path = [int(total.argmin())]
    for back in reversed(came_from):
        path.append(int(back[path[-1]]))
    return candidates[np.arange(len(candidates)), path[::-1]]


def _joined(
    waveform: NDArray[np.float64],
    database: NDArray[np.float64],
    targets: NDArray[np.int64],
    sources: NDArray[np.int64],
) -> NDArray[np.float64]:
    """The pieces at their places, each at the level that the recording has there."""
    unit_samples = _UNIT_FRAMES * HOP_SAMPLES
    spoken = np.zeros(len(waveform) + unit_samples + _FADE_SAMPLES)
    fade = np.linspace(0, 1, _FADE_SAMPLES)
    for target, source in zip(targets, sources, strict=True):
        begun = spoken[target : target + _FADE_SAMPLES]
        start = _in_phase(begun, database, source) if target else source
        piece = database[start : start + unit_samples + _FADE_SAMPLES]
        there = waveform[target : target + len(piece)]
        loudness = np.sqrt(np.mean(there**2) / max(float(np.mean(piece**2)), 1e-12))
        piece = piece * min(loudness, _MAX_GAIN)
        num_faded = min(_FADE_SAMPLES, len(piece))
        end = target + len(piece)
        piece[:num_faded] = begun[:num_faded] * (1 - fade[:num_faded]) + piece[:num_faded] * fade[:num_faded]
        spoken[target:end] = piece
    return spoken[: len(waveform)]


def _in_phase(begun: NDArray[np.float64], database: NDArray[np.float64], source: int) -> int:
    """The start nearest to ``source`` at which a piece goes on as the one before it ends."""
    first = max(0, source - _SLIDE_SAMPLES)
    window = database[first : source + _SLIDE_SAMPLES + len(begun)]
    if len(window) < len(begun):
        return source
    likeness = np.correlate(window, begun, mode="valid")
    energy = np.convolve(window**2, np.ones(len(begun)), mode="valid")
    return first + int((likeness / np.sqrt(energy + 1e-12)).argmax())
