"""The embedded recordings, and reading anyone's folder of speech."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from moe_mamba_asv.corpora.minispoof.speech import (
    EMBEDDED_PARTITIONS,
    embedded_speech,
    folder_speech,
    partition_speakers,
)
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Partition

SPEECH = embedded_speech().clips[0].path.parent


def rows() -> list[dict[str, str]]:
    with (SPEECH / "speech.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_embedded_speech_keeps_its_limits() -> None:
    clips = embedded_speech().clips
    assert len(clips) >= 200
    assert len(embedded_speech().speakers) >= 5
    assert sum(path.stat().st_size for path in SPEECH.iterdir()) <= 12_000_000
    infos = [soundfile.info(clip.path) for clip in clips]
    assert {(info.samplerate, info.channels, info.subtype) for info in infos} == {(16_000, 1, "PCM_16")}
    assert all(2.0 <= info.duration <= 6.0 for info in infos)


def test_every_embedded_clip_is_listed_and_is_what_the_list_says() -> None:
    assert {f"{row['utterance']}.flac" for row in rows()} == {path.name for path in SPEECH.glob("*.flac")}
    for row in rows():
        assert hashlib.sha256((SPEECH / f"{row['utterance']}.flac").read_bytes()).hexdigest() == row["sha256"]


def test_every_embedded_clip_has_a_licence_text_and_its_speaker_an_attribution() -> None:
    licence_files = {
        "CC-BY-3.0": "LICENSE-CC-BY-3.0.txt",
        "CC-BY-SA-3.0": "LICENSE-CC-BY-SA-3.0.txt",
        "GPL-2.0-only": "LICENSE-GPL-2.txt",
    }
    readme = (SPEECH / "README.md").read_text(encoding="utf-8")
    for row in rows():
        assert (SPEECH / licence_files[row["licence"]]).stat().st_size > 10_000
        assert f"| {row['speaker']} |" in readme
        assert row["source"].split(":")[0].rsplit("-", 2)[0].startswith(("asterisk-core-sounds", "fillets-ng"))
    assert "https://creativecommons.org/licenses/by-sa/3.0/" in readme


def test_embedded_partition_covers_all_speakers_and_both_kinds_of_recording() -> None:
    assert set(EMBEDDED_PARTITIONS) == set(embedded_speech().speakers)
    packages = {row["speaker"]: row["source"].split("-")[0] for row in rows()}
    for partition in (Partition.TRAIN, Partition.EVAL):
        speakers = [speaker for speaker, place in EMBEDDED_PARTITIONS.items() if place is partition]
        assert {packages[speaker] for speaker in speakers} == {"asterisk", "fillets"}


@given(num_clips=st.lists(st.integers(1, 5), min_size=3, max_size=200), seed=st.integers(0, 100))
def test_partition_is_about_50_15_35_of_the_clips_and_never_empty(num_clips: list[int], seed: int) -> None:
    clips = {f"S{number}": count for number, count in enumerate(num_clips)}
    partitions = partition_speakers(clips, np.random.default_rng(seed))
    assert set(partitions) == set(clips)
    counts = {part: sum(clips[one] for one in clips if partitions[one] is part) for part in Partition}
    for partition, share in ((Partition.TRAIN, 0.5), (Partition.DEV, 0.15), (Partition.EVAL, 0.35)):
        assert counts[partition] >= 1
        assert abs(counts[partition] - share * sum(num_clips)) <= 5 * 2


@given(num_unknown=st.integers(1, 500), seed=st.integers(0, 100))
def test_unknown_speakers_are_for_training_alone_and_known_ones_for_all(num_unknown: int, seed: int) -> None:
    clips = {"unknown": num_unknown} | {f"S{number}": 3 for number in range(40)}
    partitions = partition_speakers(clips, np.random.default_rng(seed))
    assert partitions["unknown"] is Partition.TRAIN
    counts = {part: sum(3 for one in clips if one != "unknown" and partitions[one] is part) for part in Partition}
    assert counts[Partition.TRAIN] >= 30
    assert counts[Partition.EVAL] == pytest.approx(counts[Partition.DEV] * 0.35 / 0.15, abs=9)


def test_too_few_speakers_are_refused() -> None:
    for clips in ({"a": 9, "b": 9}, {"unknown": 9, "b": 9}):
        with pytest.raises(CorpusError, match="at least 3"):
            partition_speakers(clips, np.random.default_rng(0))


def test_texts_come_from_the_manifest_or_from_beside_the_sound(tmp_path: Path) -> None:
    for name in ("Ann/a.wav", "Bob/b.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "Ann" / "a.txt").write_text("Good\nmorning. ")
    assert [clip.text for clip in folder_speech(tmp_path).clips] == ["Good morning.", ""]
    rows = "utt_id,path,speaker,text\n1,Ann/a.wav,Ann,Hello\n2,Bob/b.wav,Bob,你好\n"
    (tmp_path / "manifest.csv").write_text(rows, encoding="utf-8")
    assert [clip.text for clip in folder_speech(tmp_path).clips] == ["Hello", ""]


def test_folder_names_are_the_speakers(tmp_path: Path) -> None:
    for name in ("Ann Lee/a.wav", "Bob/x/b.FLAC", "Bob/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [(clip.utterance, clip.speaker) for clip in folder_speech(tmp_path).clips]
    assert found == [("Ann Lee/a.wav", "Ann_Lee"), ("Bob/x/b.FLAC", "x")]


@pytest.mark.parametrize("column", ["utt_id", "utterance"])
@pytest.mark.parametrize("asked", ["", "flac"])
def test_manifest_in_or_next_to_the_folder_names_the_speakers(tmp_path: Path, column: str, asked: str) -> None:
    (tmp_path / "flac").mkdir()
    (tmp_path / "manifest.csv").write_text(
        f"{column},path,speaker,licence\nU1,flac/1.wav,Ann,CC0\nU2,flac/2.wav,Bob,\n"
    )
    clips = folder_speech(tmp_path / asked).clips
    assert [(clip.utterance, clip.speaker, clip.licence) for clip in clips] == [("U1", "Ann", "CC0"), ("U2", "Bob", "")]
    assert clips[0].path == tmp_path / "flac" / "1.wav"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("utt_id,path\nU1,a.wav\n", "line 2"),
        ("utt_id,path,speaker\nU1,a.wav,\n", "line 2"),
        ("utt_id,path,speaker\nU1,a.wav,A\nU1,b.wav,A\n", "line 3 repeats U1"),
        ("utt_id,path,speaker\n", "no sound files"),
    ],
)
def test_manifest_that_cannot_be_used_is_refused_by_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.csv").write_text(text)
    with pytest.raises(CorpusError, match=said):
        folder_speech(tmp_path)


def test_absent_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a folder"):
        folder_speech(tmp_path / "absent")
    with pytest.raises(CorpusError, match="no sound files"):
        folder_speech(tmp_path)


@pytest.mark.shared
def test_reference_speech_has_its_speakers(shared: Path) -> None:
    source = folder_speech(shared / "speech")
    assert len(source.clips) == 850
    assert len(source.speakers) == 142  # 141 by name, and one value, "unknown", for all whom nobody named
