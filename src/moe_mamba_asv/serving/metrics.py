"""Counts for Prometheus, in its text format: no name, no content, nothing that grows with what is asked."""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

#: Upper ends of the classes of answering times, in seconds.
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What has happened since the start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._files: Counter[tuple[str, bool]] = Counter()
        self._times = [0] * (len(_SECONDS) + 1)
        self._seconds = 0.0

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """A request was answered.

        Args:
            path: of the route, not what the client typed.
            status: of HTTP.
            seconds: from its headers to the end of its answer.
        """
        with self._lock:
            self._requests[path, status] += 1
            self._times[bisect_left(_SECONDS, seconds)] += 1
            self._seconds += seconds

    def count_file(self, model: str, *, scored: bool) -> None:
        """A file got a score, or an error."""
        with self._lock:
            self._files[model, scored] += 1

    def text(self, now: Mapping[str, float]) -> str:
        """All of it.

        Args:
            now: what is measured when it is asked for, by name; a name that ends in ``_total`` only ever rises.
        """
        with self._lock:
            lines = _family("mma_requests_total", "counter", "Requests by route and status.")
            lines += [
                f'mma_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self._requests.items())
            ]
            lines += _family("mma_files_total", "counter", "Files by model and outcome.")
            lines += [
                f'mma_files_total{{model="{_escape(model)}",outcome="{"scored" if scored else "refused"}"}} {count}'
                for (model, scored), count in sorted(self._files.items())
            ]
            lines += self._histogram()
        for name, value in now.items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [*_family(f"mma_{name}", kind, name.replace("_", " ")), f"mma_{name} {value:g}"]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> list[str]:
        name = "mma_request_seconds"
        lines, so_far = _family(name, "histogram", "Seconds from a request's headers to the end of its answer."), 0
        for end, count in zip((*map(str, _SECONDS), "+Inf"), self._times, strict=True):
            so_far += count
            lines.append(f'{name}_bucket{{le="{end}"}} {so_far}')
        return [*lines, f"{name}_sum {self._seconds:.6f}", f"{name}_count {so_far}"]


def _family(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
