"""Sounds in tar files: the scores of the same files loose, one row each, and whatever is wrong listed."""

import os
import signal
import tarfile
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from made_shards import sound, write_shard
from typer.testing import CliRunner

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.scoring.shards import list_members
from stand_in import start_mma


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return predictor_of(detector(config()), tmp_path_factory.mktemp("model") / "m.safetensors")


def _names(*places: Path | str) -> list[str]:
    return [item.utterance for item in inputs_from_paths(places)]


def _shards(folder: Path, count: int = 3, each: int = 4) -> Path:
    """Shards of one to four sounds and their labels, some in folders of the tar."""
    for number in range(count):
        members = []
        for place in range(each):
            name = f"{'deep/er/' * (place % 2)}utt{number}{place}"
            members += [(f"{name}.flac", sound(10 * number + place)), (f"{name}.json", b"{}")]
        write_shard(folder / f"{number:04}.tar", members)
    return folder


@pytest.fixture
def loose(tmp_path: Path) -> tuple[Path, Path]:
    """Shards, and the same sounds unpacked."""
    shards, files = _shards(tmp_path / "shards"), tmp_path / "files"
    for shard in shards.iterdir():
        with tarfile.open(shard) as tar:
            tar.extractall(files / shard.name, filter="data")
    return shards, files


def test_shards_have_the_scores_of_the_same_files_loose(loose: tuple[Path, Path], predictor: Predictor) -> None:
    shards, files = loose
    inside, outside = inputs_from_paths([shards]), inputs_from_paths([files])
    assert [item.utterance for item in inside[:4]] == [
        "0000.tar/utt00",
        "0000.tar/deep/er/utt01",
        "0000.tar/utt02",
        "0000.tar/deep/er/utt03",
    ]
    found = dict(score_files(inside, predictor, batch_size=5).scored.select("utterance", "score").rows())
    assert len(outside) == 12  # a folder that is called like a tar is a folder
    alone = dict(score_files(outside, predictor, batch_size=1).scored.select("utterance", "score").rows())
    assert len(found) == len(set(found.values())) == 12
    by_file = {name.rpartition("/")[2]: score for name, score in found.items()}
    assert by_file == pytest.approx(alone, rel=0, abs=1e-5)
    whole = score_files(sorted(outside, key=lambda i: i.utterance), predictor, batch_size=5).scored
    ordered = score_files(sorted(inside, key=lambda i: i.utterance[-5:]), predictor, batch_size=5).scored
    assert whole["score"].to_list() == ordered["score"].to_list()  # the same batches: the very same numbers


def test_braces_a_folder_and_a_prefix_are_the_same_shards(tmp_path: Path, predictor: Predictor) -> None:
    shards = _shards(tmp_path / "shards")
    store = fsspec.filesystem("memory")
    for shard in shards.iterdir():
        store.pipe_file(f"/bucket/shards/{shard.name}", shard.read_bytes())
    places = [
        shards,
        f"{shards}/{{0000..0002}}.tar",
        "memory://bucket/shards",
        "memory://bucket/shards/{0000..0002}.tar",
    ]
    tables = [score_files(inputs_from_paths([place]), predictor, batch_size=4).frame for place in places]
    assert len(tables[0]) == 12
    assert all(table.equals(tables[0]) for table in tables[1:])
    for missing in (f"{shards}/{{0001..0003}}.tar", "memory://bucket/shards/{0001..0003}.tar"):
        with pytest.raises(AudioError, match="0003"):
            inputs_from_paths([missing])


def test_names_stay_apart_where_keys_and_names_come_twice(tmp_path: Path, predictor: Predictor) -> None:
    shard = write_shard(
        tmp_path / "a" / "s.tar",
        [
            ("./u.left.wav", sound(0)),
            ("u.right.FLAC", sound(1)),
            ("v.wav", sound(2)),
            ("v.wav", sound(3)),
            ("w.v1.wav", sound(4)),
            (".h.wav", sound(5)),
        ],
    )
    starts = [member.start for member in list_members(shard)]
    assert _names(shard) == [
        f"{shard}/u.left.wav",
        f"{shard}/u.right.FLAC",
        f"{shard}/v.wav@{starts[2]}",
        f"{shard}/v.wav@{starts[3]}",
        "s.tar/w",
        "s.tar/.h.wav",
    ]
    other = write_shard(tmp_path / "b" / "s.tar", [("w.flac", sound(6)), ("y.flac", sound(7))])
    names = _names(tmp_path)
    assert names[4:] == [f"{shard}/w.v1.wav", "s.tar/.h.wav", f"{other}/w.flac", "s.tar/y"]
    table = score_files(inputs_from_paths([tmp_path]), predictor, batch_size=8)
    assert len(table.scored) == table.scored["score"].n_unique() == 8


class _Stop(BaseException):
    """Somebody pulled the plug."""


def test_a_stopped_run_goes_on_and_a_changed_shard_begins_anew(tmp_path: Path, predictor: Predictor) -> None:
    shards, journal = _shards(tmp_path / "shards"), tmp_path / "j"
    whole = score_files(inputs_from_paths([shards]), predictor, batch_size=3).frame

    def stop(done: int) -> None:
        if done >= 6:
            raise _Stop

    with pytest.raises(_Stop):
        score_files(inputs_from_paths([shards]), predictor, batch_size=3, journal=journal, on_progress=stop)
    begun: list[int] = []
    again = score_files(
        inputs_from_paths([shards]), predictor, batch_size=3, journal=journal, on_progress=begun.append
    ).frame
    assert begun[0] == 6
    assert again.equals(whole)
    write_shard(shards / "0001.tar", [("utt10.flac", sound(99))])
    score_files(inputs_from_paths([shards]), predictor, batch_size=3, journal=journal, on_progress=begun.append)
    assert 0 in begun


def test_scoring_shards_killed_and_repeated_writes_the_same_file(tmp_path: Path, predictor: Predictor) -> None:
    members = [(f"{number:03}.flac", sound(number, duration_s=0.3)) for number in range(200)]
    for number in range(4):
        write_shard(tmp_path / "shards" / f"{number}.tar", members[50 * number : 50 * number + 50])
    predictor_of(detector(config()), tmp_path / "m.safetensors")
    words = ("score", f"{tmp_path}/shards/{{0..3}}.tar", "--model", tmp_path / "m.safetensors", "--batch-size", 2)
    journal = tmp_path / "parts.tsv.partial"
    victim = start_mma(*words, "--out", tmp_path / "parts.tsv")
    while victim.poll() is None and not (journal.exists() and journal.read_text().count("\n") > 20):
        time.sleep(0.002)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() != 0
    assert not (tmp_path / "parts.tsv").exists()
    result = CliRunner().invoke(app, [*map(str, words), "--out", str(tmp_path / "parts.tsv")])
    assert result.exit_code == 0, result.output
    wanted = score_files(inputs_from_paths([tmp_path / "shards"]), Predictor(tmp_path / "m.safetensors"), batch_size=2)
    rows = [line.split("\t")[:2] for line in (tmp_path / "parts.tsv").read_text().splitlines() if ".tar/" in line]
    assert [name for name, _ in rows] == wanted.frame["utterance"].to_list()
    np.testing.assert_allclose([float(score) for _, score in rows], wanted.frame["score"], rtol=1e-6)


def test_the_command_answers_of_a_shard_and_lists_what_is_bad(tmp_path: Path) -> None:
    predictor_of(detector(config()), tmp_path / "m.safetensors")
    shard = write_shard(tmp_path / "s.tar", [("one.flac", sound(0)), ("two.flac", b"no sound")])
    result = CliRunner().invoke(app, ["score", str(shard), "--model", str(tmp_path / "m.safetensors")])
    assert result.exit_code == 1, result.output
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["s.tar/one"]
    assert "s.tar/two" in result.stderr
    timeline = CliRunner().invoke(app, ["score", str(shard), "--long", "--model", str(tmp_path / "m.safetensors")])
    assert timeline.exit_code == 1, timeline.output
    assert "s.tar/one: 0:00.60" in timeline.stdout
