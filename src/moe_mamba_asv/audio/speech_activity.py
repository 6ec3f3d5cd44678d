"""Which parts of a recording hold speech: what rises above its own noise floor."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.facts import SILENCE_BELOW_PEAK_DB
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

FRAME_SAMPLES = SAMPLE_RATE_HZ // 100  # 10 ms
#: Below this a frame is never speech, whatever surrounds it: ten steps of 16 bits.
SILENT_DBFS = -70.0
#: Speech is this much above the noise floor around it.
ABOVE_FLOOR_DB = 6.0
#: With less between floor and loudest second, level cannot tell speech from a steady sound.
LEAST_CONTRAST_DB = 10.0
#: The floor is the level that a tenth of the frames of each minute stay below; speakers pause more than that.
_FLOOR_STRETCH, _FLOOR_PERCENTILE = 6_000, 10
#: The loudest second in all, so that clicks do not decide and one minute of speech in an hour does.
_LOUD_FRAMES = 100
#: Shorter sounds are clicks; shorter pauses belong to the speech around them.
_SHORTEST_SPEECH_FRAMES, _LONGEST_PAUSE_FRAMES = 5, 30
_FLOOR = 1e-12  # -120 dB


@dataclass(frozen=True, eq=False)
class SpeechActivity:
    """Which 10 ms frames of a recording hold speech.

    Attributes:
        is_speech: shape (frames,), bool; the last frame may be shorter.
        num_samples: length of the recording at 16 kHz.
        by_level: False where the level hardly changes; all that is above -70 dBFS then counts as speech.
    """

    is_speech: NDArray[np.bool_]
    num_samples: int
    by_level: bool

    def shares(self, starts: NDArray[np.integer], ends: NDArray[np.integer]) -> NDArray[np.float64]:
        """Fraction of each stretch that is speech.

        Args:
            starts: first samples, shape (stretches,).
            ends: the samples after the last ones.

        Returns:
            Shape (stretches,), between 0 and 1; exact to the sample.
        """
        edges = np.minimum(np.arange(len(self.is_speech) + 1) * FRAME_SAMPLES, self.num_samples)
        speech_before = np.concatenate([[0], np.cumsum(np.diff(edges) * self.is_speech)])
        spoken = np.interp(ends, edges, speech_before) - np.interp(starts, edges, speech_before)
        return np.clip(spoken / (np.asarray(ends) - starts), 0.0, 1.0)


def frame_levels(blocks: Iterable[NDArray[np.float32]]) -> tuple[NDArray[np.float32], int]:
    """Measure the level of every 10 ms of a recording that comes in blocks.

    Args:
        blocks: consecutive samples at 16 kHz, shape (samples,) each.

    Returns:
        RMS levels in dB relative to full scale, shape (frames,), -120 for digital silence; and the number of samples.
        An hour takes 1.4 MB.
    """
    levels: list[NDArray[np.float32]] = []
    rest, num_samples = np.zeros(0, np.float32), 0
    for block in blocks:
        num_samples += len(block)
        joined = np.concatenate([rest, block])
        whole = len(joined) // FRAME_SAMPLES * FRAME_SAMPLES
        levels.append(_levels_db(joined[:whole].reshape(-1, FRAME_SAMPLES)))
        rest = joined[whole:]
    if len(rest):
        levels.append(_levels_db(rest[None]))
    return np.concatenate([np.zeros(0, np.float32), *levels]), num_samples


def find_speech(levels_db: NDArray[np.float32], num_samples: int) -> SpeechActivity:
    """Tell speech from pauses by level alone.

    A frame is speech where it is above -70 dBFS, within 40 dB of the loudest second of the recording (all its loudest
    frames together, not one stretch) and more than 6 dB above the noise floor, which is taken from each minute anew:
    the level that a tenth of its frames stay below. Then what is shorter than 50 ms is dropped, and pauses up to 0.3 s
    between speech are filled.

    Limits: any sound that comes and goes (music, typing, a barking dog) counts as speech; speech less than 6 dB above
    the noise does not. Where even the loudest second is within 10 dB of the lowest floor, level tells nothing, and all
    that is above -70 dBFS counts as speech.

    Args:
        levels_db: of 10 ms frames, from `frame_levels`.
        num_samples: length of the recording.
    """
    audible = levels_db > SILENT_DBFS
    if not audible.any():
        return SpeechActivity(np.zeros(len(levels_db), np.bool_), num_samples, by_level=True)
    floors = _floors_db(levels_db, audible)
    heard = levels_db[audible]
    loud = float(np.mean(np.partition(heard, -min(_LOUD_FRAMES, len(heard)))[-_LOUD_FRAMES:]))
    if loud - floors[audible].min() < LEAST_CONTRAST_DB:
        return SpeechActivity(audible, num_samples, by_level=False)
    threshold = np.maximum(floors + ABOVE_FLOOR_DB, loud - SILENCE_BELOW_PEAK_DB)
    return SpeechActivity(_smooth(audible & (levels_db > threshold)), num_samples, by_level=True)


def _levels_db(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels of (frames, samples)."""
    power = np.einsum("fs,fs->f", frames, frames, dtype=np.float64) / frames.shape[1]
    return (10 * np.log10(power + _FLOOR)).astype(np.float32)


def _floors_db(levels_db: NDArray[np.float32], audible: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Noise floor at each frame. Digital silence is no noise: a gap in a call says nothing about its line."""
    floors = np.full(len(levels_db), SILENT_DBFS, np.float32)
    # A last stretch that is short would take its floor from the speech in it.
    num_stretches = max(1, len(levels_db) // _FLOOR_STRETCH)
    for stretch in np.array_split(np.arange(len(levels_db)), num_stretches):
        heard = levels_db[stretch][audible[stretch]]
        if len(heard):
            floors[stretch] = np.percentile(heard, _FLOOR_PERCENTILE)
    return floors


def _smooth(is_speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without clicks, and with short pauses filled."""
    spoken = is_speech.copy()
    for start, end in _stretches(is_speech):
        if end - start < _SHORTEST_SPEECH_FRAMES:
            spoken[start:end] = False
    for (_, start), (end, _) in pairwise(_stretches(spoken)):
        if end - start <= _LONGEST_PAUSE_FRAMES:
            spoken[start:end] = True
    return spoken


def _stretches(is_speech: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Of each stretch of speech its first frame and the one after its last, in order of time."""
    edges = np.flatnonzero(np.diff(is_speech, prepend=False, append=False)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))
