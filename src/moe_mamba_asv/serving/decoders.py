"""Decode uploads outside the service: a file that crashes or hangs a decoder costs a process, and nobody else waits."""

import json
import threading
import time
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.serving.decode_worker import (
    END,
    NEXT,
    PIECE_SAMPLES,
    SOUND,
    STOP,
    Decode,
    Read,
    work,
    work_in_blocks,
)
from moe_mamba_asv.serving.worker_pool import Worker, WorkerPool, deadline, lost_over

#: Longer messages are no answer: a block of samples and the kind of message, or words.
_LONGEST_MESSAGE = 4 * PIECE_SAMPLES + 1


class Decoders(WorkerPool):
    """Processes that decode, each one file at a time.

    Args:
        decode: what they do with a file's content; importable by name.
        count: processes.
        timeout_s: for one file, from handing it over to having its samples.
        memory_bytes: for one file.
    """

    def __init__(self, decode: Decode, *, count: int, timeout_s: float, memory_bytes: int) -> None:
        self._timeout_s = timeout_s
        super().__init__(work, decode, count=count, memory_bytes=memory_bytes)

    def decode(self, content: bytes) -> NDArray[np.float32]:
        """Samples (samples,) of a file at 16 kHz; waits for an idle process.

        Raises:
            AudioError: the file cannot be used; or it crashed its decoder, or took too long or too much memory.
        """
        worker = self.take()
        overdue = threading.Event()
        try:
            with deadline(worker.process, self._timeout_s, overdue):
                worker.connection.send_bytes(content)
                answer = worker.connection.recv_bytes()
        except (EOFError, OSError) as error:
            self.replace(worker)
            raise lost_over(len(content), self._timeout_s, overdue=overdue.is_set()) from error
        self.give_back(worker)
        return _samples(answer)


class BlockDecoders(WorkerPool):
    """Processes that decode long recordings, block by block and only when asked for the next one.

    So neither side ever holds more than a block of samples, however long the recording is, and none touches the disk.

    Args:
        read: what they do with a file's content, e.g. `moe_mamba_asv.audio.stream_decode.stream_16k`; importable by
            name.
        count: processes.
        timeout_s: for one reading of one file, all waiting for the process together.
        memory_bytes: for one file.
        max_duration_s: of one file; counted here, not by the process that opened it.
    """

    def __init__(self, read: Read, *, count: int, timeout_s: float, memory_bytes: int, max_duration_s: float) -> None:
        self._timeout_s, self._max_duration_s = timeout_s, max_duration_s
        super().__init__(work_in_blocks, read, count=count, memory_bytes=memory_bytes)

    def blocks(self, content: bytes) -> Generator[NDArray[np.float32]]:
        """Read a file once, at 16 kHz; waits for an idle process, which is free again when the iterator is closed.

        Yields:
            Shape (samples,), consecutive.

        Raises:
            AudioError: as `Decoders.decode`; also where it is too long, or too short to have a sample.
        """
        worker = self.take()
        asking = _Asking(worker, len(content), self._timeout_s)
        try:
            answer, num_samples = asking.ask(content, NEXT), 0
            while answer[:1] == SOUND:
                block = _samples(answer)
                num_samples += len(block)
                if num_samples > self._max_duration_s * SAMPLE_RATE_HZ:
                    raise AudioError(
                        f"sound of {len(content)} bytes is longer than {self._max_duration_s:g} s",
                        wanted=f"{self._max_duration_s:g} s or less",
                        remedy="cut it into parts",
                    )
                yield block
                answer = asking.ask(NEXT)
            if answer[:1] != END:
                _samples(answer)
        finally:
            if asking.let_go():
                self.give_back(worker)
            else:
                self.replace(worker)


class _Asking:
    """One reading of one file by one process."""

    def __init__(self, worker: Worker, num_bytes: int, timeout_s: float) -> None:
        self._worker, self._num_bytes = worker, num_bytes
        self._timeout_s = self._left_s = timeout_s
        # Until its last answer the process waits to be asked again; without an answer nobody knows what it does.
        self._is_open, self._is_lost = True, False

    def ask(self, *messages: bytes) -> bytes:
        """Its answer; the time of waiting is what it has less for the rest."""
        started, overdue = time.monotonic(), threading.Event()
        try:
            with deadline(self._worker.process, self._left_s, overdue):
                for message in messages:
                    self._worker.connection.send_bytes(message)
                answer = self._worker.connection.recv_bytes(_LONGEST_MESSAGE)
        except (EOFError, OSError) as error:
            self._is_lost = True
            raise lost_over(self._num_bytes, self._timeout_s, overdue=overdue.is_set()) from error
        self._left_s = max(0.0, self._left_s - (time.monotonic() - started))
        self._is_open = answer[:1] == SOUND
        return answer

    def let_go(self) -> bool:
        """Have the process forget the file; whether it can be given another."""
        if self._is_open and not self._is_lost:
            try:
                self._worker.connection.send_bytes(STOP)
            except OSError:
                self._is_lost = True
        return not self._is_lost


def _samples(answer: bytes) -> NDArray[np.float32]:
    """What a worker said; it read a stranger's file, so nothing but samples or words is taken from it."""
    if answer[:1] == SOUND:
        return np.frombuffer(answer, dtype=np.float32, offset=1).copy()
    got, wanted, remedy = (str(word) for word in json.loads(answer[1:]))
    raise AudioError(got, wanted=wanted, remedy=remedy)
