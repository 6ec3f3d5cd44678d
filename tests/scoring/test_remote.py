"""Sounds by address, and lists of sounds in tables."""

from pathlib import Path

import fsspec
import numpy as np
import polars as pl
import pytest
import soundfile
from typer.testing import CliRunner

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scoring import remote
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from stand_in import clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three sounds and a text."""
    place = tmp_path / "sounds"
    for number, name in enumerate(("a/one.flac", "b/two.wav", "b/three.flac")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(place / name, clip(np.random.default_rng(number), spoof=False, duration_s=0.7), 16_000)
    (place / "b" / "notes.txt").write_text("not a sound")
    return place


@pytest.fixture
def store(folder: Path) -> str:
    """The same in an object store in memory."""
    files = fsspec.filesystem("memory")
    for path in folder.rglob("*.*"):
        files.pipe_file(f"/bucket/calls/{path.relative_to(folder)}", path.read_bytes())
    return "memory://bucket/calls"


def test_a_prefix_is_its_sounds_with_the_scores_of_the_files(folder: Path, store: str, tmp_path: Path) -> None:
    predictor = predictor_of(detector(config()), tmp_path / "m.safetensors")
    there, here = inputs_from_paths([store]), inputs_from_paths([folder])
    assert [item.utterance for item in there] == [item.utterance for item in here] == ["one", "three", "two"]
    assert [item.path for item in there] == [
        f"memory:///bucket/calls/{name}" for name in ("a/one.flac", "b/three.flac", "b/two.wav")
    ]
    scored = [score_files(inputs, predictor, batch_size=2).frame["score"].to_list() for inputs in (there, here)]
    assert scored[0] == scored[1]
    assert [item.path for item in inputs_from_paths([f"{store}/b/two.wav"])] == [f"{store}/b/two.wav"]


def test_what_is_gone_is_a_row_with_its_reason(store: str, tmp_path: Path) -> None:
    predictor = predictor_of(detector(config()), tmp_path / "m.safetensors")
    inputs = inputs_from_paths([store])
    fsspec.filesystem("memory").rm("/bucket/calls/b/three.flac")
    table = score_files(inputs, predictor, batch_size=2)
    assert table.failed["utterance"].to_list() == ["three"]
    assert "cannot be fetched" in table.failed["error"][0]


def test_a_sound_that_is_too_large_is_not_read_to_its_end(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MAX_BYTES", 1_000)
    with pytest.raises(AudioError, match="over 1,000 bytes"):
        remote.content_of(f"{store}/a/one.flac")


def test_a_table_lists_paths_and_addresses_and_may_name_them(folder: Path, store: str, tmp_path: Path) -> None:
    table = tmp_path / "list.parquet"
    places = [str(folder / "a" / "one.flac"), f"{store}/b/two.wav"]
    pl.DataFrame({"path": places, "utterance": ["first", "second"]}).write_parquet(table)
    found = inputs_from_paths([table])
    assert [(item.utterance, str(item.path)) for item in found] == list(zip(["first", "second"], places, strict=True))
    pl.DataFrame({"path": places}).write_parquet(table)
    assert [item.utterance for item in inputs_from_paths([table])] == ["one", "two"]
    for bad in ({"file": places}, {"path": [None, "x"]}, {"path": places, "utterance": ["same", "same"]}):
        pl.DataFrame(bad).write_parquet(table)
        with pytest.raises(AudioError, match="list"):
            inputs_from_paths([table])


def test_an_address_that_cannot_be_opened_is_named() -> None:
    with pytest.raises(AudioError, match="no-such-protocol://x/y cannot be listed"):
        inputs_from_paths(["no-such-protocol://x/y"])
    with pytest.raises(AudioError, match="no audio in memory://nowhere"):
        inputs_from_paths(["memory://nowhere"])


def test_the_command_takes_addresses(store: str, tmp_path: Path) -> None:
    predictor_of(detector(config()), tmp_path / "m.safetensors")
    result = CliRunner().invoke(app, ["score", store, "--model", str(tmp_path / "m.safetensors")])
    assert result.exit_code == 0, result.output
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == ["one", "three", "two"]
