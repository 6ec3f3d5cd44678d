"""Where the windows of a long recording lie, in samples and in seconds, and how they are cut from a stream."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError, ConfigError


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: samples ``start`` up to, and without, ``end``."""

    start: int
    end: int

    @property
    def start_s(self) -> float:
        """Seconds before its first sample; times 16,000 and rounded, `start` again."""
        return self.start / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """Seconds until after its last sample."""
        return self.end / SAMPLE_RATE_HZ


def lay_windows(total_samples: int, window_samples: int, hop_samples: int) -> list[Window]:
    """Cover a recording with windows of one length.

    They start at 0, hop, 2 · hop, … as long as they fit. Where the last of these does not reach the end, one more
    window ends exactly there; it overlaps its neighbour by more than the others do. So every sample is in a window,
    and the first window is what `mma score` hears of the same file. A recording shorter than a window is one window
    of its own length.

    Args:
        total_samples: length of the recording, at least 1.
        window_samples: length of a window.
        hop_samples: from one start to the next; at most a window, else something would be left out.

    Returns:
        In order of time, at least one.

    Raises:
        AudioError: an empty recording.
        ConfigError: a window or hop that is impossible.
    """
    if total_samples < 1:
        raise AudioError("an empty waveform", wanted="at least one sample")
    if not 1 <= hop_samples <= window_samples:
        raise ConfigError(
            f"a hop of {hop_samples} samples ({hop_samples / SAMPLE_RATE_HZ:g} s) with windows of {window_samples}",
            wanted=f"at least one sample, and at most the window ({window_samples / SAMPLE_RATE_HZ:g} s)",
            remedy="half a window",
        )
    if total_samples <= window_samples:
        return [Window(0, total_samples)]
    starts = list(range(0, total_samples - window_samples + 1, hop_samples))
    if starts[-1] + window_samples < total_samples:
        starts.append(total_samples - window_samples)
    return [Window(start, start + window_samples) for start in starts]


def cut_windows(
    blocks: Iterable[NDArray[np.float32]], windows: Sequence[Window]
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Cut windows from a recording that comes in blocks; at most a window and a block are held at once.

    Args:
        blocks: consecutive samples, shape (samples,) each, in blocks of any length.
        windows: by rising start; there may be gaps between them.

    Yields:
        Each window with a copy of its samples.

    Raises:
        AudioError: the blocks end before the last window does.
    """
    source = iter(blocks)
    held, first = np.zeros(0, np.float32), 0  # samples, and the place of the first of them
    for window in windows:
        while first + len(held) < window.end:
            block = next(source, None)
            if block is None:
                raise AudioError(
                    f"the recording ends after {first + len(held)} samples, a window at {window.end}",
                    wanted="the same recording that the windows were laid on",
                )
            needed = held[max(0, window.start - first) :]
            first += len(held) - len(needed)
            held = np.concatenate([needed, block])
        yield window, held[window.start - first : window.end - first].copy()
