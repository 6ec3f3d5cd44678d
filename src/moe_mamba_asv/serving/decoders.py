"""Decode uploads outside the service: a file that crashes or hangs a decoder costs a process, and nobody else waits."""

import contextlib
import json
import logging
import multiprocessing
import queue
import threading
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.serving.decode_worker import READY, SOUND, Decode, work

_log = logging.getLogger(__name__)
_START_TIMEOUT_S = 60.0
_RETRY_S = 1.0


class _Worker:
    """One process and our end of its pipe."""

    def __init__(self, decode: Decode, memory_bytes: int) -> None:
        # Spawned, not forked: the service has threads, and its memory holds other people's uploads.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=work, args=(theirs, decode, memory_bytes), daemon=True)
        self.process.start()
        theirs.close()

    def wait_until_ready(self) -> bool:
        with contextlib.suppress(EOFError, OSError):
            return self.connection.poll(_START_TIMEOUT_S) and self.connection.recv_bytes() == READY
        return False

    def stop(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Decoders:
    """Processes that decode, each one file at a time.

    Args:
        decode: what they do with a file's content; importable by name.
        count: processes.
        timeout_s: for one file, from handing it over to having its samples.
        memory_bytes: for one file.

    Attributes:
        lost: processes that crashed or were stopped since the start.

    Raises:
        ConfigError: a process does not come up.
    """

    def __init__(self, decode: Decode, *, count: int, timeout_s: float, memory_bytes: int) -> None:
        self._decode, self._timeout_s, self._memory_bytes = decode, timeout_s, memory_bytes
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        self._all: set[_Worker] = set()
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

    def decode(self, content: bytes) -> NDArray[np.float32]:
        """Samples (samples,) of a file at 16 kHz; waits for an idle process.

        Raises:
            AudioError: the file cannot be used; or it crashed its decoder, or took too long or too much memory.
        """
        worker = self._take()
        overdue = threading.Event()
        try:
            with _deadline(worker.process, self._timeout_s, overdue):
                worker.connection.send_bytes(content)
                answer = worker.connection.recv_bytes()
        except (EOFError, OSError) as error:
            self._replace(worker)
            if overdue.is_set():
                raise AudioError(
                    f"a recording of {len(content)} bytes that takes more than {self._timeout_s:g} s to decode",
                    wanted="a shorter or simpler one",
                ) from error
            raise AudioError(
                f"a recording of {len(content)} bytes that crashes the decoder",
                wanted="a whole recording",
                remedy="convert it to FLAC or WAV and send that",
            ) from error
        self._idle.put(worker)
        return _samples(answer)

    def close(self) -> None:
        """Stop the processes; who still waits for one gets an `AudioError`."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
            self._all.clear()
        for worker in workers:
            worker.stop()
        self._idle.put(None)

    def _take(self) -> _Worker:
        worker = self._idle.get()
        if worker is None:
            self._idle.put(None)  # for the next who waits
            raise AudioError("a service that is being stopped", remedy="send it again")
        return worker

    def _start(self) -> _Worker:
        worker = _Worker(self._decode, self._memory_bytes)
        with self._lock:
            if self._closed:
                worker.stop()
            else:
                self._all.add(worker)
        return worker

    def _replace(self, worker: _Worker) -> None:
        """Start another in the background: who sent the bad file need not wait for it."""
        with self._lock:
            self._all.discard(worker)
            self.lost += 1
        worker.stop()
        _log.warning("a decoder was lost (%d so far); another is started", self.lost)
        threading.Thread(target=self._refill, daemon=True).start()

    def _refill(self) -> None:
        while not self._closed:
            worker = self._start()
            if worker.wait_until_ready():
                self._idle.put(worker)
                return
            with self._lock:
                self._all.discard(worker)
            worker.stop()
            time.sleep(_RETRY_S)


@contextlib.contextmanager
def _deadline(process: BaseProcess, timeout_s: float, overdue: threading.Event) -> Iterator[None]:
    """Kill a process that is not done in time, and say so; whoever waits for its pipe then sees it end.

    So is one that stops reading, or stops midway in its answer.
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


def _samples(answer: bytes) -> NDArray[np.float32]:
    """What a worker said; it read a stranger's file, so nothing but samples or words is taken from it."""
    if answer[:1] == SOUND:
        return np.frombuffer(answer, dtype=np.float32, offset=1).copy()
    got, wanted, remedy = (str(word) for word in json.loads(answer[1:]))
    raise AudioError(got, wanted=wanted, remedy=remedy)
