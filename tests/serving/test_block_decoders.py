"""Long files that crash, hang, drip or never end: named, and the next one is read as ever."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_uploads import sound
from planted_decoders import read

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.serving.decode_worker import PIECE_SAMPLES
from moe_mamba_asv.serving.decoders import BlockDecoders


@pytest.fixture(scope="module")
def decoders() -> Iterator[BlockDecoders]:
    found = BlockDecoders(read, count=1, timeout_s=2.0, memory_bytes=256_000_000, max_duration_s=100)
    yield found
    found.close()


def _is_read(decoders: BlockDecoders) -> bool:
    content = sound(3, duration_s=50.0)
    blocks = list(decoders.blocks(content))
    assert len(blocks) > 1
    return np.array_equal(np.concatenate(blocks), load_16k(content))


def test_joined_the_blocks_are_the_file(decoders: BlockDecoders) -> None:
    assert all(_is_read(decoders) for _ in range(3))


def test_a_large_block_comes_in_pieces(decoders: BlockDecoders) -> None:
    blocks = decoders.blocks(b"large")
    assert [len(next(blocks)) for _ in range(5)] == [16_000, *3 * [PIECE_SAMPLES], 1_000_000 - 3 * PIECE_SAMPLES]
    blocks.close()


def test_who_stops_midway_leaves_a_process_for_the_next(decoders: BlockDecoders) -> None:
    lost = decoders.lost
    for _ in range(3):
        blocks = decoders.blocks(b"endless")
        next(blocks)
        blocks.close()
        assert _is_read(decoders)
    assert decoders.lost == lost


def test_what_never_ends_is_refused(decoders: BlockDecoders) -> None:
    lost, blocks = decoders.lost, decoders.blocks(b"endless")
    assert sum(len(next(blocks)) for _ in range(991)) == 1_600_000  # a second, and 990 tenths
    with pytest.raises(AudioError, match="longer than 100 s"):
        next(blocks)
    assert _is_read(decoders)
    assert decoders.lost == lost


@pytest.mark.parametrize("content", [b"hang", b"drip"])
def test_waiting_is_limited_in_all(decoders: BlockDecoders, content: bytes) -> None:
    started, lost = time.monotonic(), decoders.lost
    with pytest.raises(AudioError, match="more than 2 s to decode"):
        list(decoders.blocks(content))
    assert 1.9 < time.monotonic() - started < 5
    assert decoders.lost == lost + 1
    assert _is_read(decoders)


def test_time_that_is_spent_between_blocks_is_not_the_decoders(decoders: BlockDecoders) -> None:
    for number, _ in enumerate(decoders.blocks(sound(1, duration_s=90.0))):
        time.sleep(1.2 if number < 2 else 0)


@pytest.mark.parametrize(
    ("content", "said", "costs"), [(b"crash", "crashes", 1), (b"bug", "IndexError", 0), (b"eat", "more memory", 0)]
)
def test_what_goes_wrong_midway_is_named(decoders: BlockDecoders, content: bytes, said: str, costs: int) -> None:
    lost = decoders.lost
    blocks = decoders.blocks(content)
    assert len(next(blocks)) == 16_000
    with pytest.raises(AudioError, match=said) as caught:
        list(blocks)
    assert "words" not in str(caught.value)
    assert decoders.lost == lost + costs
    assert _is_read(decoders)


@pytest.mark.parametrize("turn", range(3))
def test_one_that_closes_while_it_reads_ends_the_reading(turn: int) -> None:
    closing = BlockDecoders(read, count=1, timeout_s=30, memory_bytes=256_000_000, max_duration_s=1_000_000)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(lambda: sum(map(len, closing.blocks(b"endless"))))
        time.sleep(0.2 + 0.01 * turn)
        closing.close()
        with pytest.raises(AudioError, match="crashes"):
            reading.result(timeout=10)
    assert closing.alive == 0
