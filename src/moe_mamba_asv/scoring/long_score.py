"""What is answered of a long recording: a timeline of windows, and their pooled scores."""

import statistics
from collections.abc import Sequence

from moe_mamba_asv.evaluation.base import Result


class WindowScore(Result):
    """One window of the timeline.

    Attributes:
        start_s: seconds before its first sample.
        end_s: seconds until after its last sample.
        speech_share: fraction of it that is speech.
        score: higher = bona fide; None where it has no vote.
        no_vote: why it has no vote; None where it has one.
    """

    start_s: float
    end_s: float
    speech_share: float
    score: float | None
    no_vote: str | None

    @property
    def centre_s(self) -> float:
        """Where it stands on an axis of time."""
        return (self.start_s + self.end_s) / 2


class PooledScore(Result):
    """One answer for the whole recording, in three meanings; higher = bona fide in each.

    Attributes:
        mean: of all windows that vote: is this recording, taken as a whole, spoofed? A short spoofed stretch in a long
            recording hardly moves it.
        lowest_mean: of the ``lowest_count`` windows that are most like spoofed speech: is a stretch of some windows,
            together or scattered, spoofed? One odd window does not decide it.
        lowest_count: windows in it; fewer than asked for where fewer vote.
        minimum: the window most like spoofed speech: is anything spoofed at all? It falls with the number of windows
            also where all is bona fide: a threshold below which 1 % of bona fide clips lie has about 18 of the 1,800
            windows of a bona fide hour below it.
        minimum_at_s: where that window starts; the first, where several answer the same.
    """

    mean: float
    lowest_mean: float
    lowest_count: int
    minimum: float
    minimum_at_s: float


class LongScore(Result):
    """Everything that was found in one recording.

    Attributes:
        duration_s: its length.
        window_s: what the detector hears at once.
        hop_s: from one window to the next; the last may be nearer.
        min_speech: a window with a smaller share of speech has no vote.
        speech_by_level: False where the level changes too little to tell speech from a steady sound, so that all but
            silence counted as speech.
        windows: in order of time.
        pooled: None where no window votes.
    """

    duration_s: float
    window_s: float
    hop_s: float
    min_speech: float
    speech_by_level: bool
    windows: tuple[WindowScore, ...]
    pooled: PooledScore | None

    @property
    def voted(self) -> tuple[WindowScore, ...]:
        """The windows that have a vote."""
        return tuple(window for window in self.windows if window.score is not None)

    @property
    def stretches_without_vote(self) -> list[tuple[float, float]]:
        """Start and end, in seconds, of what no voting window covers; in order of time."""
        stretches, covered_s = [], 0.0
        for window in self.voted:
            if window.start_s > covered_s:
                stretches.append((covered_s, window.start_s))
            covered_s = window.end_s
        if covered_s < self.duration_s:
            stretches.append((covered_s, self.duration_s))
        return stretches


def pool(windows: Sequence[WindowScore], lowest_count: int) -> PooledScore | None:
    """Pool the windows that vote; None where none does."""
    votes = sorted((window.score, window.start_s) for window in windows if window.score is not None)
    if not votes:
        return None
    scores = [score for score, _ in votes]
    lowest = scores[:lowest_count]
    return PooledScore(
        mean=statistics.fmean(scores),
        lowest_mean=statistics.fmean(lowest),
        lowest_count=len(lowest),
        minimum=scores[0],
        minimum_at_s=votes[0][1],
    )
