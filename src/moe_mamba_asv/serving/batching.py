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
    """One thread that answers items in batches.

    The first item of a batch waits for others to join it, until the batch is full or its time is over; while a batch is
    being answered the next one gathers by itself.

    Args:
        answer: from a batch to one answer an item.
        size: items in a batch, at most.
        wait_s: that the first item waits.
    """

    def __init__(self, answer: Callable[[Sequence[Item]], Sequence[Answer]], *, size: int, wait_s: float) -> None:
        self._answer, self._size, self._wait_s = answer, size, wait_s
        self._queue: queue.SimpleQueue[tuple[Item, Future[Answer]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

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
        self._thread.join()

    def _work(self) -> None:
        goes_on = True
        while goes_on and (first := self._queue.get()) is not None:
            batch, goes_on = self._gather(first)
            self._settle(batch)

    def _gather(self, first: tuple[Item, "Future[Answer]"]) -> tuple[list[tuple[Item, "Future[Answer]"]], bool]:
        """A batch, and whether there may be another."""
        batch = [first]
        deadline = time.monotonic() + self._wait_s
        while len(batch) < self._size:
            try:
                more = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if more is None:
                return batch, False
            batch.append(more)
        return batch, True

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
