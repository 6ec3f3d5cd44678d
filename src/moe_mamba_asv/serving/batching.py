"""Clips of different requests share a forward pass."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Threads that answer items in batches.

    The first item of a batch waits for others to join it, until the batch is full or its time is over; while batches
    are being answered the next one gathers by itself.

    Args:
        answer: from a batch to one answer an item; called by several threads at once.
        size: items in a batch, at most.
        wait_s: that the first item waits.
        threads: batches that are answered at once, at most.
    """

    def __init__(
        self, answer: Callable[[Sequence[Item]], Sequence[Answer]], *, size: int, wait_s: float, threads: int = 1
    ) -> None:
        self._answer, self._size, self._wait_s = answer, size, wait_s
        self._queue: queue.SimpleQueue[tuple[Item, Future[Answer]] | None] = queue.SimpleQueue()
        # Two batches that gather at once would share what comes, and each wait in vain to be full.
        self._gathering = threading.Lock()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return self._queue.qsize()

    def submit(self, item: Item) -> "Future[Answer]":
        """Hand an item in; what goes wrong in its batch is raised by the future's ``result()``."""
        future: Future[Answer] = Future()
        self._queue.put((item, future))
        return future

    def close(self) -> None:
        """Answer what has been handed in, and stop."""
        self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._gather():
            self._settle(batch)

    def _gather(self) -> list[tuple[Item, "Future[Answer]"]]:
        """A batch; empty when there are no more."""
        batch: list[tuple[Item, Future[Answer]]] = []
        with self._gathering:
            deadline = None
            while len(batch) < self._size:
                try:
                    more = self._queue.get(timeout=deadline and max(0.0, deadline - time.monotonic()))
                except queue.Empty:
                    break
                if more is None:
                    self._queue.put(None)  # for the next thread, or for this one after its batch
                    break
                batch.append(more)
                deadline = deadline or time.monotonic() + self._wait_s
        return batch

    def _settle(self, batch: list[tuple[Item, "Future[Answer]"]]) -> None:
        try:
            answers = self._answer([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 (it belongs to those who wait; the thread serves the next)
            for _, future in batch:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            return
        for (_, future), one in zip(batch, answers, strict=True):
            # Whoever gave up waiting has cancelled it.
            if future.set_running_or_notify_cancel():
                future.set_result(one)
