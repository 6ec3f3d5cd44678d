"""What is wrong with a tar is a row with its reason; what is sound in it is scored."""

import io
import tarfile
from pathlib import Path

import fsspec
import pytest
from made_shards import sound, write_shard

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scoring import remote
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.scoring.shards import Member, list_members


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return predictor_of(detector(config()), tmp_path_factory.mktemp("model") / "m.safetensors")


def _names(*places: Path | str) -> list[str]:
    return [item.utterance for item in inputs_from_paths(places)]


def test_a_bad_member_is_a_row_with_its_reason_and_the_rest_is_scored(tmp_path: Path, predictor: Predictor) -> None:
    silent = sound(1)[:60]
    shard = write_shard(
        tmp_path / "a.tar",
        [
            ("good.wav", sound(0, "WAV")),
            ("text.wav", b"no sound"),
            ("empty.flac", b""),
            ("cut.flac", silent),
            ("end.flac", sound(2)),
        ],
    )
    with tarfile.open(shard, "a") as tar:
        link = tarfile.TarInfo("link.flac")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    table = score_files(inputs_from_paths([shard]), predictor, batch_size=2)
    assert table.scored["utterance"].to_list() == ["a.tar/good", "a.tar/end"]
    errors = dict(table.failed.select("utterance", "error").rows())
    assert list(errors) == [f"a.tar/{name}" for name in ("text", "empty", "cut", "link")]
    assert "a link" in errors["a.tar/link"]
    assert all(errors.values())
    assert not any("0x" in error for error in errors.values())  # an address would be another in each run


def _cut(shard: Path, size: int) -> None:
    shard.write_bytes(shard.read_bytes()[:size])


def test_a_truncated_tar_is_said_and_what_stands_before_is_scored(tmp_path: Path, predictor: Predictor) -> None:
    members = [(f"{name}.wav", sound(seed, "WAV")) for seed, name in enumerate("xyz")]
    shard = write_shard(tmp_path / "t.tar", members)
    second, third = (member.start for member in list_members(shard)[1:])
    whole = {
        name: score for name, score, _ in score_files(inputs_from_paths([shard]), predictor, batch_size=1).frame.rows()
    }
    for size, kept, failed in (
        (third + 700, ["x", "y"], ["t.tar/z", "t.tar"]),  # in a sound
        (third - 200, ["x", "y"], ["t.tar"]),  # in a header
        (third - 512, ["x", "y"], ["t.tar"]),  # between two members
        (second + 100, ["x"], ["t.tar/y", "t.tar"]),
        (0, [], ["t.tar"]),
    ):
        _cut(write_shard(shard, members), size)
        table = score_files(inputs_from_paths([shard]), predictor, batch_size=1)
        assert table.scored["utterance"].to_list() == [f"t.tar/{name}" for name in kept], size
        assert table.failed["utterance"].to_list() == failed, size
        assert f"after {len(kept) + len(failed) - 1} sounds" in table.failed["error"][-1]
        assert all(whole[name] == score for name, score, _ in table.scored.rows())


def test_a_damaged_header_hides_no_sound_without_a_word(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "d.tar", [("x.wav", sound(0, "WAV")), ("y.wav", sound(1, "WAV"))])
    content = bytearray(shard.read_bytes())
    start = list_members(shard)[1].start - tarfile.BLOCKSIZE
    content[start : start + 8] = b"\xff" * 8
    shard.write_bytes(content)
    assert _names(shard) == ["d.tar/x", "d.tar"]


def test_what_is_no_plain_tar_is_listed(tmp_path: Path, predictor: Predictor) -> None:
    write_shard(tmp_path / "ok.tar", [("x.flac", sound(0))])
    (tmp_path / "text.tar").write_text("no tar" * 200)
    with tarfile.open(tmp_path / "zipped.tar", "w:gz") as tar:
        tar.add(tmp_path / "ok.tar", "x.flac")
    table = score_files(inputs_from_paths([tmp_path]), predictor, batch_size=2)
    assert table.scored["utterance"].to_list() == ["ok.tar/x"]
    assert table.failed["utterance"].to_list() == ["text.tar", "zipped.tar"]
    assert table.failed["error"].str.contains("no tar after 0 sounds").all()


def test_a_member_of_negative_size_ends_the_shard(tmp_path: Path) -> None:
    """Python's tarfile reads such a tar for ever."""
    with tarfile.open(tmp_path / "n.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("x.wav")
        info.pax_headers = {"size": "-2048"}
        tar.addfile(info, io.BytesIO())
    assert _names(tmp_path / "n.tar") == ["n.tar"]


def test_a_member_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = write_shard(tmp_path / "s.tar", [("big.wav", sound(0, "WAV")), ("small.flac", b"x")])
    monkeypatch.setattr(remote, "MAX_BYTES", 1_000)
    monkeypatch.setattr(Member, "_stretch", lambda member: b"\0")
    big, small = list_members(shard)
    with pytest.raises(AudioError, match="over 1,000 bytes"):
        big.content()
    assert small.content() == b"\0"


def test_a_store_that_answers_the_whole_file_is_found_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    shard = write_shard(tmp_path / "s.tar", [("x.wav", sound(0, "WAV"))])
    store.pipe_file("/r/s.tar", shard.read_bytes())
    (member,) = list_members("memory://r/s.tar")
    assert member.content() == sound(0, "WAV")
    monkeypatch.setattr(type(store), "cat_file", lambda self, path, start, end: shard.read_bytes())
    with pytest.raises(AudioError, match="gives parts of a file"):
        member.content()
    store.rm("/r/s.tar")
    monkeypatch.undo()
    with pytest.raises(AudioError, match="cannot be fetched"):
        member.content()
