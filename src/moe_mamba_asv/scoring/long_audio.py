"""Score a recording of any length: windows over all of it, in memory that does not grow with it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.audio.speech_activity import find_speech, frame_levels
from moe_mamba_asv.audio.stream_decode import stream_16k
from moe_mamba_asv.audio.windows import Window, cut_windows, lay_windows
from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.scoring.long_score import LongScore, WindowScore, pool


class WindowScorer(Protocol):
    """What a detector must be able to do; `moe_mamba_asv.scoring.predictor.Predictor` is one."""

    num_samples: int

    def crop(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is scored of a window: all of it, repeated where it is too short."""
        ...

    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Scores of windows that `crop` made, shape (len(crops),); higher = bona fide."""
        ...


@dataclass(frozen=True)
class LongOptions:
    """How a long recording is scored.

    Attributes:
        hop_s: seconds from one window to the next; None is half a window.
        min_speech: windows with a smaller share of speech, or none at all, have no vote and are not scored. A quarter
            of the usual 4 s window is one second of speech.
        lowest_count: windows in the pooled answer of the lowest.
        batch_size: windows a forward pass.
    """

    hop_s: float | None = None
    min_speech: float = 0.25
    lowest_count: int = 5
    batch_size: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.min_speech <= 1:
            raise ConfigError(f"a share of speech of {self.min_speech:g}", wanted="between 0 and 1")
        if self.lowest_count < 1 or self.batch_size < 1:
            raise ConfigError(f"{self.lowest_count} lowest windows, batches of {self.batch_size}", wanted="at least 1")
        if self.hop_s is not None and not np.isfinite(self.hop_s):
            raise ConfigError(f"a hop of {self.hop_s} s", wanted="seconds")

    def hop_samples(self, window_samples: int) -> int:
        """The hop at 16 kHz."""
        return (window_samples + 1) // 2 if self.hop_s is None else round(self.hop_s * SAMPLE_RATE_HZ)


def score_long(
    predictor: WindowScorer,
    source: Path | bytes,
    options: LongOptions = LongOptions(),
    *,
    on_progress: Callable[[float, float], None] = lambda done_s, total_s: None,
) -> LongScore:
    """Score all of a recording, window by window; see `score_long_blocks`.

    Args:
        predictor: the detector.
        source: a path, or the content of a file.
        options: of windows and pooling.
        on_progress: called with the seconds that are done, and the seconds in all.

    Returns:
        Every window, and the pooled answers.

    Raises:
        AudioError: the file cannot be read.
        ConfigError: a hop longer than the window.
    """
    return score_long_blocks(predictor, lambda: stream_16k(source), options, on_progress=on_progress)


def score_long_blocks(
    predictor: WindowScorer,
    read: Callable[[], Iterable[NDArray[np.float32]]],
    options: LongOptions = LongOptions(),
    *,
    on_progress: Callable[[float, float], None] = lambda done_s, total_s: None,
) -> LongScore:
    """Score all of a recording that somebody else decodes, window by window.

    It is read twice: once for its length and the parts that hold speech, which also finds every fault of the file
    before time is spent on scoring; then for the windows that have a vote. A recording of one window, and the first
    window of any, has the score that `moe_mamba_asv.scoring.files.score_files` gives the file.

    Args:
        predictor: the detector.
        read: begins a reading: consecutive samples at 16 kHz, shape (samples,) each, the same ones each time.
        options: of windows and pooling.
        on_progress: called with the seconds that are done, and the seconds in all.

    Returns:
        Every window, and the pooled answers.

    Raises:
        AudioError: from ``read``; or the two readings differ.
        ConfigError: a hop longer than the window.
    """
    levels_db, num_samples = frame_levels(read())
    activity = find_speech(levels_db, num_samples)
    hop_samples = options.hop_samples(predictor.num_samples)
    windows = lay_windows(num_samples, predictor.num_samples, hop_samples)
    shares = activity.shares(np.array([one.start for one in windows]), np.array([one.end for one in windows]))
    spoken = [
        window for window, share in zip(windows, shares, strict=True) if share > 0 and share >= options.min_speech
    ]
    total_s = num_samples / SAMPLE_RATE_HZ
    answers: dict[Window, float | str] = {}
    cut = cut_windows(read(), spoken)
    while batch := list(islice(cut, options.batch_size)):
        answers.update(_score_batch(predictor, batch))
        on_progress(batch[-1][0].end_s, total_s)
    on_progress(total_s, total_s)
    timeline = tuple(_row(window, share, answers) for window, share in zip(windows, shares.tolist(), strict=True))
    return LongScore(
        duration_s=total_s,
        window_s=predictor.num_samples / SAMPLE_RATE_HZ,
        hop_s=hop_samples / SAMPLE_RATE_HZ,
        min_speech=options.min_speech,
        speech_by_level=activity.by_level,
        windows=timeline,
        pooled=pool(timeline, options.lowest_count),
    )


def _score_batch(
    predictor: WindowScorer, batch: Sequence[tuple[Window, NDArray[np.float32]]]
) -> Iterator[tuple[Window, float | str]]:
    """A score for each window, or the reason why there is none."""
    crops: dict[Window, NDArray[np.float32]] = {}
    for window, samples in batch:
        try:
            crops[window] = predictor.crop(samples)
        except AudioError as error:
            yield window, " ".join(str(error).split())
    if crops:
        for window, score in zip(crops, predictor.score(list(crops.values())).tolist(), strict=True):
            yield window, score if np.isfinite(score) else f"the model answered {score}"


def _row(window: Window, share: float, answers: dict[Window, float | str]) -> WindowScore:
    answer = answers.get(window, "too little speech")
    return WindowScore(
        start_s=window.start_s,
        end_s=window.end_s,
        speech_share=share,
        score=None if isinstance(answer, str) else answer,
        no_vote=answer if isinstance(answer, str) else None,
    )
