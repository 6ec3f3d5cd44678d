"""Clips of several requests are heard together."""

import threading

import pytest

from moe_mamba_asv.serving.batching import Batcher


def test_items_that_come_together_share_a_batch_in_their_order() -> None:
    batches: list[list[int]] = []

    def double(batch):
        batches.append(list(batch))
        return [2 * item for item in batch]

    batcher = Batcher(double, size=4, wait_s=0.2)
    futures = [batcher.submit(number) for number in range(10)]
    assert [future.result() for future in futures] == [2 * number for number in range(10)]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    batcher.close()


def test_one_alone_does_not_wait_for_a_full_batch() -> None:
    batcher = Batcher(list, size=1000, wait_s=0.01)
    assert batcher.submit(5).result(timeout=5) == 5
    batcher.close()


def test_a_batch_that_fails_fails_alone() -> None:
    def answer(batch):
        if 13 in batch:
            raise ValueError("unlucky")
        return batch

    batcher = Batcher(answer, size=1, wait_s=0)
    futures = [batcher.submit(number) for number in (1, 13, 2)]
    assert futures[0].result() == 1
    with pytest.raises(ValueError, match="unlucky"):
        futures[1].result()
    assert futures[2].result() == 2
    batcher.close()


def test_who_gave_up_does_not_stop_the_thread() -> None:
    gate = threading.Event()

    def answer(batch):
        gate.wait(5)
        return batch

    batcher = Batcher(answer, size=1, wait_s=0)
    busy, given_up, after = (batcher.submit(number) for number in range(3))
    assert given_up.cancel()
    gate.set()
    assert (busy.result(5), after.result(5)) == (0, 2)
    batcher.close()
