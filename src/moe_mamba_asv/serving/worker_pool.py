"""Processes that open other people's files, started, guarded and replaced: one that crashes or hangs costs itself."""

import contextlib
import logging
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.serving.decode_worker import READY

_log = logging.getLogger(__name__)
_START_TIMEOUT_S = 60.0
_RETRY_S = 1.0

#: What a process runs: its end of a pipe, what it does with a file (importable by name), bytes of memory for that.
Work = Callable[[Connection, Any, int], None]


class Worker:
    """One process and our end of its pipe.

    Args:
        work: what it runs.
        task: handed to ``work``.
        memory_bytes: handed to ``work``.
    """

    def __init__(self, work: Work, task: Any, memory_bytes: int) -> None:
        # Spawned, not forked: the service has threads, and its memory holds other people's uploads.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=work, args=(theirs, task, memory_bytes), daemon=True)
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> bool:
        """Whether it came up."""
        with contextlib.suppress(EOFError, OSError):
            return self.connection.poll(_START_TIMEOUT_S) and self.connection.recv_bytes() == READY
        return False

    def kill(self) -> None:
        """End it, whatever it does; who waits for its pipe sees that end."""
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """The same, and close our end of its pipe; for nobody but who uses it."""
        self.kill()
        self.connection.close()


class WorkerPool:
    """Processes of one kind, each with one file at a time.

    Args:
        work: what they run.
        task: what they do with a file; importable by name.
        count: processes.
        memory_bytes: for one file.

    Attributes:
        lost: processes that crashed or were stopped since the start.

    Raises:
        ConfigError: a process does not come up.
    """

    def __init__(self, work: Work, task: Any, *, count: int, memory_bytes: int) -> None:
        self._work, self._task, self._memory_bytes = work, task, memory_bytes
        self._idle: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        self._all: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        self.count, self.lost = count, 0
        workers = [self._start() for _ in range(count)]
        for worker in workers:
            if not worker.wait_until_ready():
                self.close()
                raise ConfigError("a decoder does not come up", remedy="more --decode-memory-mb; see the log")
            self._idle.put(worker)

    @property
    def alive(self) -> int:
        """Processes that can decode."""
        return sum(worker.process.is_alive() for worker in list(self._all))

    def close(self) -> None:
        """Stop the processes; who still waits for one gets an `AudioError`."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
            self._all.clear()
        for worker in workers:
            # Its pipe may be in use by another thread, and is closed when nobody holds it any more.
            worker.kill()
        self._idle.put(None)

    def take(self) -> Worker:
        """An idle process, when there is one; to be given back, or replaced.

        Raises:
            AudioError: the pool is closed.
        """
        worker = self._idle.get()
        if worker is None:
            self._idle.put(None)  # for the next who waits
            raise AudioError("a service that is being stopped", remedy="send it again")
        return worker

    def give_back(self, worker: Worker) -> None:
        """It waits for the next file."""
        self._idle.put(worker)

    def replace(self, worker: Worker) -> None:
        """Start another in the background: who sent the bad file need not wait for it."""
        self._stop(worker)
        with self._lock:
            self.lost += 1
        _log.warning("a decoder was lost (%d so far); another is started", self.lost)
        threading.Thread(target=self._refill, daemon=True).start()

    def _start(self) -> Worker:
        worker = Worker(self._work, self._task, self._memory_bytes)
        with self._lock:
            if self._closed:
                worker.stop()
            else:
                self._all.add(worker)
        return worker

    def _stop(self, worker: Worker) -> None:
        """Have done with it, unless `close` has."""
        with self._lock:
            is_ours = worker in self._all
            self._all.discard(worker)
        if is_ours:
            worker.stop()

    def _refill(self) -> None:
        while not self._closed:
            worker = self._start()
            if worker.wait_until_ready():
                self._idle.put(worker)
                return
            self._stop(worker)
            time.sleep(_RETRY_S)


@contextlib.contextmanager
def deadline(process: BaseProcess, timeout_s: float, overdue: threading.Event) -> Iterator[None]:
    """Kill a process that is not done in time, and say so; whoever waits for its pipe then sees it end.

    So is one that stops reading, or stops midway in its answer.

    Args:
        process: that is asked for something.
        timeout_s: until it must have answered.
        overdue: set where it has not.
    """

    def stop() -> None:
        overdue.set()
        process.kill()

    timer = threading.Timer(timeout_s, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def lost_over(num_bytes: int, timeout_s: float, *, overdue: bool) -> AudioError:
    """Why a process was lost over a file.

    Args:
        num_bytes: of the file.
        timeout_s: that decoding may take.
        overdue: it took longer; else it crashed.
    """
    if overdue:
        return AudioError(
            f"a recording of {num_bytes} bytes that takes more than {timeout_s:g} s to decode",
            wanted="a shorter or simpler one",
        )
    return AudioError(
        f"a recording of {num_bytes} bytes that crashes the decoder",
        wanted="a whole recording",
        remedy="convert it to FLAC or WAV and send that",
    )
