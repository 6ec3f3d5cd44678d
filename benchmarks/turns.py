"""Runs that take turns, so that a busy machine is busy for all of them."""

import statistics
import time
from collections.abc import Callable, Sequence


def medians_s(runs: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each of so many runs, after one more."""
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats + 1):
        for run, taken in zip(runs, times, strict=True):
            started = time.perf_counter()
            run()
            if repeat:
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in times]
