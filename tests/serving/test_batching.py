"""Clips of several requests are heard together."""

import threading

import pytest
import torch

from moe_mamba_asv.serving.batching import Batcher
from moe_mamba_asv.serving.cores import Cores


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


def test_two_threads_answer_two_batches_at_once_and_neither_splits_what_one_could_hold() -> None:
    both, sizes = threading.Barrier(2, timeout=10), []

    def answer(batch):
        sizes.append(len(batch))
        both.wait()
        return batch

    batcher = Batcher(answer, size=3, wait_s=0.2, threads=2)
    futures = [batcher.submit(number) for number in range(6)]
    assert [future.result(10) for future in futures] == list(range(6))
    assert sizes == [3, 3]
    batcher.close()


def test_what_was_handed_in_before_the_end_is_answered() -> None:
    batcher = Batcher(list, size=2, wait_s=5, threads=2)
    futures = [batcher.submit(number) for number in range(5)]
    batcher.close()
    assert [future.result(0) for future in futures] == list(range(5))


def test_passes_at_once_share_the_cores_and_one_alone_has_them_all() -> None:
    usual = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        cores = Cores()
        with cores.share() as first, cores.share() as second:
            assert (first, second, torch.get_num_threads()) == (4, 2, 2)
        with cores.share() as alone:
            assert (alone, torch.get_num_threads()) == (4, 4)
    finally:
        torch.set_num_threads(usual)
