"""A process of its own for what is measured: it can be killed, and what it does to memory or threads stays in it."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, Pipe
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

import torch

from moe_mamba_asv.bench.memory import give_back_memory
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.scoring.allocator import keep_freed_blocks

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Result = TypeVar("Result")

#: Seconds for imports, and for what is compiled on its first use.
_START_LIMIT_S = 600


@dataclass(frozen=True)
class Failure:
    """Why there is no answer, in the words that the table shows."""

    reason: str


@dataclass(frozen=True)
class Surroundings:
    """What a process is set to before anything runs in it.

    Attributes:
        threads: threads of one operation; None leaves PyTorch's own number.
        keeps_blocks: whether the allocator keeps freed blocks.
    """

    threads: int | None = None
    keeps_blocks: bool = False

    def apply(self) -> None:
        """Set this process."""
        if self.keeps_blocks and not keep_freed_blocks():
            raise ConfigError(f"no glibc on {sys.platform}", wanted="glibc, for the allocator that keeps blocks")
        if self.threads is not None:
            torch.set_num_threads(self.threads)


class Worker(Generic[Task, Answer]):
    """Answers one task after the other in a process of its own, which starts with the first and sleeps in between.

    Args:
        prepare: called once in the process; answers what then answers each task. Travels by pickle.
        surroundings: what the process is set to.
    """

    def __init__(self, prepare: Callable[[], Callable[[Task], Answer]], surroundings: Surroundings) -> None:
        self._prepare, self._surroundings = prepare, surroundings
        self._running: tuple[BaseProcess, Connection] | None = None

    def ask(self, task: Task, limit_s: float) -> Answer | Failure:
        """Wait for the answer, not counting the start of the process; kill the process where it takes longer."""
        if self._running is None:
            self._running = _start()
            not_ready = self._exchange(*self._running, (self._prepare, self._surroundings), _START_LIMIT_S)
            if not_ready is not None:
                self.kill()
                return not_ready
        return self._exchange(*self._running, task, limit_s)

    def kill(self) -> None:
        """End the process; the next task starts another."""
        if self._running is not None:
            process, connection = self._running
            process.kill()
            process.join()
            connection.close()
            self._running = None

    def _exchange(self, process: BaseProcess, connection: Connection, message: object, limit_s: float) -> Any:
        """Send the message; answers what comes back."""
        reason = f"over {limit_s:g} s"
        try:
            connection.send(message)
            if connection.poll(limit_s):
                return connection.recv()
        except (EOFError, ConnectionError):  # for one because the system ran out of memory
            process.join(1)
            reason = f"its process died, exit code {process.exitcode}"
        self.kill()
        return Failure(reason)


def _start() -> tuple[BaseProcess, Connection]:
    ours, theirs = Pipe()
    # A fork would inherit our memory, and locks that our threads hold.
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return process, ours  # pyright: ignore[reportReturnType]  (on Windows another class with the same methods)


def _serve(connection: Connection) -> None:
    """What runs in the process: get ready and say so by None, then answer tasks until the other end is gone."""
    os.dup2(2, 1)  # stdout belongs to the command's answer: what a package prints goes to stderr
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which then ends this process
    with suppress(EOFError):
        prepare, surroundings = connection.recv()
        answer = _attempt(partial(_make_ready, prepare, surroundings))
        if isinstance(answer, Failure):
            connection.send(answer)
            return
        connection.send(None)
        while True:
            task = connection.recv()
            connection.send(_attempt(partial(answer, task)))


def _make_ready(prepare: Callable[[], Result], surroundings: Surroundings) -> Result:
    surroundings.apply()
    return prepare()


def _attempt(run: Callable[[], Result]) -> Result | Failure:
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - whatever a package raises is its result, shown in the table
        first_line = str(error).partition("\n")[0]
        return Failure(f"{type(error).__name__}: {first_line}")
    finally:
        give_back_memory()  # what an idle process holds, the others lack
