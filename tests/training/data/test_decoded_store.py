"""Decoded once: to the bit what decoding gives, never half a store, never an old one."""

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from made_corpus import write_folder_corpus
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.data import cache
from moe_mamba_asv.training.data.cache import DecodedStore, open_store


def write_mixed_clips(folder: Path) -> pl.DataFrame:
    """One file of each kind: what 16 bits hold and what they do not."""
    generator = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    loud = np.concatenate([[-1.0, 32767 / 32768], generator.uniform(-1, 1, 4999)])
    made = {
        "pcm16.flac": (loud, 16_000, "PCM_16"),
        "one.wav": (loud[:1], 16_000, "PCM_16"),
        "odd.wav": (loud[:333], 16_000, "PCM_16"),
        "stereo44.flac": (generator.uniform(-1, 1, (4410, 2)), 44_100, "PCM_16"),
        "stereo16.wav": (generator.uniform(-1, 1, (777, 2)), 16_000, "PCM_16"),
        "pcm24.flac": (loud, 16_000, "PCM_24"),
        "above.wav": (np.array([0.5, 1.0, -1.5]), 16_000, "FLOAT"),
        "lossy.ogg": (0.5 * loud, 16_000, "VORBIS"),
        "again.wav": (loud, 16_000, "PCM_16"),
    }
    for name, (samples, rate_hz, subtype) in made.items():
        soundfile.write(folder / name, samples, rate_hz, subtype=subtype)
    return pl.DataFrame({"path": [str(folder / name) for name in made]})


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, DecodedStore]:
    folder = tmp_path_factory.mktemp("mixed")
    table = write_mixed_clips(folder / "clips")
    return table, open_store(table, folder / "stores")


def bits(samples: np.ndarray) -> list[int]:
    assert samples.dtype == np.float32
    return samples.view(np.uint32).tolist()


def test_a_store_gives_what_decoding_gives_to_the_bit(mixed: tuple[pl.DataFrame, DecodedStore]) -> None:
    table, store = mixed
    assert len(store) == len(table)
    for row, path in enumerate(table["path"]):
        whole = load_16k(Path(path))
        assert store.num_samples[row] == len(whole)
        assert store.duration_s[row] == len(whole) / 16_000
        assert bits(store.samples(row, 0, len(whole))) == bits(whole), path


def test_only_what_16_bits_hold_is_stored_in_them(mixed: tuple[pl.DataFrame, DecodedStore]) -> None:
    _, store = mixed
    index = pl.read_parquet(store.folder / "index.parquet")
    names = [Path(path).name for path in index.filter("int16")["path"]]
    assert names == ["pcm16.flac", "one.wav", "odd.wav", "again.wav"]
    # Not every processor reads a float32 from any byte.
    assert (index["offset_bytes"] % 4 == 0).all()


def test_a_negative_zero_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_mixed_clips(tmp_path / "clips")[:1]
    waveform = np.array([0.5, -0.0], np.float32)
    monkeypatch.setattr(cache, "load_16k", lambda path: waveform)
    assert bits(open_store(table, tmp_path / "stores").samples(0, 0, 2)) == bits(waveform)


@given(st.data())
@settings(deadline=None)
def test_a_crop_is_a_part_of_the_clip(mixed: tuple[pl.DataFrame, DecodedStore], data: st.DataObject) -> None:
    table, store = mixed
    row = data.draw(st.integers(0, len(table) - 1))
    start, count = data.draw(st.integers(0, 6000)), data.draw(st.integers(0, 6000))
    whole = load_16k(Path(table["path"][row]))
    assert bits(store.samples(row, start, count)) == bits(whole[start : start + count])


def test_a_crop_may_be_written_to_and_the_store_does_not_change(mixed: tuple[pl.DataFrame, DecodedStore]) -> None:
    _, store = mixed
    for row in (0, 3):
        before = store.samples(row, 0, 9)
        store.samples(row, 0, 9)[:] = 0
        assert bits(store.samples(row, 0, 9)) == bits(before)


def test_a_crop_before_the_clip_is_refused(mixed: tuple[pl.DataFrame, DecodedStore]) -> None:
    with pytest.raises(TrainingError, match="-1 on"):
        mixed[1].samples(2, -1, 5)


def test_a_store_travels_without_its_samples(mixed: tuple[pl.DataFrame, DecodedStore]) -> None:
    _, store = mixed
    packed = pickle.dumps(store)
    assert len(packed) < 1000
    assert bits(pickle.loads(packed).samples(3, 10, 50)) == bits(store.samples(3, 10, 50))


def test_a_second_run_opens_what_the_first_has_decoded(tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus", clips=3)
    table = read_corpus("folder", root=root).table
    calls: list[tuple[int, int]] = []
    first = open_store(table, tmp_path / "stores", lambda done, total: calls.append((done, total)))
    assert calls == [(number, 18) for number in range(1, 19)]
    assert (
        open_store(table, tmp_path / "stores", lambda done, total: calls.append((done, total))).folder == first.folder
    )
    assert len(calls) == 18
    assert [path.name for path in (tmp_path / "stores").iterdir()] == [first.folder.name]


@pytest.mark.parametrize("change", ["content", "time", "size", "decoder", "order"])
def test_a_change_is_noticed(tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pl.DataFrame({"path": [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]})
    for path in table["path"]:
        soundfile.write(path, np.full(100, 0.25), 16_000)
    before = open_store(table, tmp_path / "stores")
    match change:
        case "content":
            soundfile.write(table["path"][0], np.full(100, 0.5), 16_000)
            now = time.time_ns() + 10**9
            os.utime(table["path"][0], ns=(now, now))
        case "time":
            os.utime(table["path"][1])
        case "size":
            stat = Path(table["path"][0]).stat()
            soundfile.write(table["path"][0], np.full(99, 0.25), 16_000)
            os.utime(table["path"][0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
        case "decoder":
            monkeypatch.setattr(cache, "version", lambda name: "9.9")
        case _:
            table = table.reverse()
    after = open_store(table, tmp_path / "stores")
    assert after.folder != before.folder
    whole = load_16k(Path(table["path"][0]))
    assert bits(after.samples(0, 0, 100)) == bits(whole)


def test_all_files_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    table = write_mixed_clips(tmp_path / "clips")
    broken = [Path(table["path"][row]) for row in (0, 3, 6)]
    broken[0].write_bytes(b"not a sound")
    broken[1].unlink()
    broken[2].write_bytes(b"")
    calls: list[int] = []
    with pytest.raises(TrainingError) as raised:
        open_store(table, tmp_path / "stores", lambda done, total: calls.append(done))
    assert "3 of 9 files" in str(raised.value)
    assert all(str(path) in str(raised.value) for path in broken)
    assert table["path"][1] not in str(raised.value)
    assert calls[-1] == 9
    assert list((tmp_path / "stores").iterdir()) == []


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_mixed_clips(tmp_path / "clips")[:2]

    def load_and_touch(path: Path) -> np.ndarray:
        waveform = load_16k(path)
        os.utime(path, ns=(1, 1))
        return waveform

    monkeypatch.setattr(cache, "load_16k", load_and_touch)
    with pytest.raises(TrainingError, match="changed while it was read"):
        open_store(table, tmp_path / "stores")


class _Stop(BaseException):
    """Not an error of the program: somebody pulled the plug."""


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    table = write_mixed_clips(tmp_path / "clips")

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise _Stop

    with pytest.raises(_Stop):
        open_store(table, tmp_path / "stores", stop)
    assert list((tmp_path / "stores").iterdir()) == []


BUILD = """
import sys
from pathlib import Path
import polars as pl
from moe_mamba_asv.training.data.cache import open_store
clips, stores = map(Path, sys.argv[1:])
table = pl.DataFrame({"path": sorted(map(str, clips.iterdir()))})
def on_progress(done, total):
    if done == 1:
        print("begun", flush=True)
        sys.stdin.readline()
print(open_store(table, stores, on_progress).samples(0, 0, 5).tolist())
"""


def start_build(clips: Path, stores: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", BUILD, str(clips), str(stores)]
    return subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_killed_build_is_never_opened_and_swept_up_later(tmp_path: Path) -> None:
    table = write_mixed_clips(tmp_path / "clips").sort("path")
    victim = start_build(tmp_path / "clips", tmp_path / "stores")
    assert first_line(victim) == "begun\n"
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    (left,) = (tmp_path / "stores").iterdir()
    store = open_store(table, tmp_path / "stores")
    assert bits(store.samples(0, 0, 9)) == bits(load_16k(Path(table["path"][0]))[:9])
    assert left.is_dir()  # for all that another process knows, it is still being written
    for path in (left, *left.iterdir()):
        os.utime(path, (0, 0))
    open_store(table[:3], tmp_path / "stores")
    assert not left.exists()


def test_a_build_that_vanishes_while_others_are_swept_up_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "stores").mkdir()
    # Listed, but gone when it is looked at.
    (tmp_path / "stores" / ".building-gone").symlink_to(tmp_path / "nowhere")
    assert len(open_store(write_mixed_clips(tmp_path / "clips")[:1], tmp_path / "stores")) == 1


def test_two_processes_may_build_the_same_store(tmp_path: Path) -> None:
    table = write_mixed_clips(tmp_path / "clips").sort("path")
    builders = [start_build(tmp_path / "clips", tmp_path / "stores") for _ in range(2)]
    # Both have begun before either goes on, so that they do build at the same time.
    assert [first_line(builder) for builder in builders] == ["begun\n", "begun\n"]
    answers = [builder.communicate("go on\n")[0].strip() for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0]
    (folder,) = (tmp_path / "stores").iterdir()
    assert answers == [str(DecodedStore(folder).samples(0, 0, 5).tolist())] * 2
    assert open_store(table, tmp_path / "stores").folder == folder


@pytest.mark.parametrize("damage", ["cut", "grown", "no samples", "no index", "broken index"])
def test_a_damaged_store_says_what_to_delete(tmp_path: Path, damage: str) -> None:
    table = write_mixed_clips(tmp_path / "clips")
    folder = open_store(table, tmp_path / "stores").folder
    samples, index = folder / "samples.bin", folder / "index.parquet"
    match damage:
        case "cut":
            os.truncate(samples, samples.stat().st_size - 2)
        case "grown":
            samples.write_bytes(samples.read_bytes() + b"more")
        case "no samples":
            samples.write_bytes(b"")
        case "no index":
            index.unlink()
        case _:
            index.write_bytes(b"not an index")
    with pytest.raises(TrainingError, match="delete that folder") as raised:
        open_store(table, tmp_path / "stores")
    assert str(folder) in str(raised.value)
