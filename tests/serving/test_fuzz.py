"""Broken recordings by the hundred: every answer a finite waveform or a typed error, and whole files decoded after."""

import runpy
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.serving.settings import Settings

fuzz = SimpleNamespace(**runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz_decoder.py")))


@pytest.fixture(scope="module")
def pools() -> Iterator[SimpleNamespace]:
    pools = fuzz.Pools.of(Settings(models={"none": "none"}, decoders=1))
    yield pools
    pools.close()


def test_three_hundred_broken_files(pools: SimpleNamespace) -> None:
    files = fuzz.whole_files()
    found = fuzz.run_batch(pools, files, 1, 300)
    assert found.total() == 300 + 300 / fuzz.BLOCKS_EVERY
    assert not [kind for kind in found if "wrong" in kind]
    assert found["waveform"] > 20  # some survive,
    assert found["not decodable"] > 20  # and some do not: else it shows little
    assert fuzz.faults(pools, files) == []
    assert pools.whole.alive == pools.blocks.alive == 1


def test_a_seed_makes_the_same_files_and_other_seeds_others() -> None:
    files = fuzz.whole_files()
    first, again, others = ([fuzz.broken_file(files, seed, number) for number in range(40)] for seed in (3, 3, 4))
    assert first == again
    assert first != others
    assert len({content for _, content in first}) > 35
    assert {name for name, _ in first} == set(files)


@pytest.mark.parametrize("kind", ["flip_bits", "cut_end", "lie", "splice"])
def test_every_way_breaks_a_file(kind: str) -> None:
    content, other = bytes(range(256)) * 4, b"other" * 100
    rng = np.random.default_rng(0)
    broken = [getattr(fuzz, kind)(content, [content, other], rng) for _ in range(20)]
    assert sum(one != content for one in broken) > 15
    lengths = {len(one) for one in broken}
    assert (lengths == {1_024}) == (kind in ("flip_bits", "lie"))
    if kind == "lie":
        assert all(one[fuzz.HEADER_BYTES :] == content[fuzz.HEADER_BYTES :] for one in broken)


def test_what_is_no_answer_is_told_from_what_is_one() -> None:
    def refuse(words: str) -> np.ndarray:
        raise AudioError(words)

    def crash() -> np.ndarray:
        raise IndexError

    sound = np.zeros(3, np.float32)
    kinds = {
        "waveform": lambda: sound,
        "crashed": lambda: refuse("a recording of 9 bytes that crashes the decoder"),
        "wrong: other words": lambda: refuse("other words"),
        "wrong: IndexError": crash,
        "wrong: no finite waveform": lambda: np.array([np.nan], np.float32),
    }
    assert {kind: fuzz.answer_kind(ask) for kind, ask in kinds.items()} == {kind: kind for kind in kinds}
    for bad in (sound[:0], sound[None], sound.astype(np.float64)):
        assert fuzz.answer_kind(lambda bad=bad: bad) == "wrong: no finite waveform"
