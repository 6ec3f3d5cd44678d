"""Each finding is made where it should be, and only there."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from moe_mamba_asv.corpora import check
from moe_mamba_asv.corpora.check import NAMED, Finding, check_corpus
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Attack, Corpus
from stand_in import RATE_HZ, asvspoof2019_tree, clip


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def corpus_of(*rows: tuple[str | None, ...]) -> Corpus:
    return Corpus("manifest", pl.DataFrame(rows, schema=UTTERANCE_SCHEMA, orient="row"))


def bonafide(utterance: str, path: Path | None, *, speaker: str | None = None, partition: str = "eval") -> tuple:
    return utterance, None if path is None else str(path), "bonafide", None, speaker, partition


def sound(path: Path, rng: np.random.Generator) -> Path:
    soundfile.write(path, clip(rng, spoof=False), RATE_HZ)
    return path


def of_kind(findings: list[Finding], kind: str) -> list[Finding]:
    return [finding for finding in findings if finding.kind == kind]


def test_a_whole_corpus_has_no_findings(tmp_path: Path, rng: np.random.Generator) -> None:
    rows = [bonafide(f"u{n}", sound(tmp_path / f"{n}.flac", rng), speaker=f"s{n}") for n in range(4)]
    assert check_corpus(corpus_of(*rows), decode_audio=True) == []


def test_missing_files_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    rows = [bonafide(f"u{n}", tmp_path / f"{n}.wav") for n in range(NAMED + 5)]
    (finding,) = check_corpus(corpus_of(*rows), decode_audio=True)
    assert (finding.kind, finding.severity, finding.count) == ("missing", "error", NAMED + 5)
    assert finding.utterances == tuple(f"u{n}" for n in range(NAMED))


def test_a_protocol_alone_misses_no_files() -> None:
    assert check_corpus(corpus_of(bonafide("u", None)), decode_audio=True) == []


def test_a_null_path_among_others_is_missing(tmp_path: Path, rng: np.random.Generator) -> None:
    corpus = corpus_of(bonafide("here", sound(tmp_path / "a.flac", rng)), bonafide("gone", None))
    (finding,) = check_corpus(corpus, decode_audio=True)
    assert (finding.kind, finding.utterances) == ("missing", ("gone",))


@pytest.mark.parametrize("content", [b"fLaC and no more", b""])
def test_broken_files_are_found_by_decoding_only(tmp_path: Path, rng: np.random.Generator, content: bytes) -> None:
    broken = tmp_path / "broken.flac"
    broken.write_bytes(content)
    corpus = corpus_of(bonafide("bad", broken), bonafide("good", sound(tmp_path / "good.flac", rng)))
    (finding,) = check_corpus(corpus, decode_audio=True)
    assert (finding.kind, finding.severity, finding.count) == ("undecodable", "error", 1)
    assert finding.utterances[0].startswith("bad: ")
    assert "broken.flac" in finding.utterances[0]
    assert check_corpus(corpus, decode_audio=False) == []


def test_copies_are_found_by_content(tmp_path: Path, rng: np.random.Generator) -> None:
    first = sound(tmp_path / "first.flac", rng)
    second = tmp_path / "second.flac"
    second.write_bytes(first.read_bytes())
    other = sound(tmp_path / "other.flac", rng)
    corpus = corpus_of(bonafide("u1", first), bonafide("u2", second), bonafide("u3", other))
    (finding,) = check_corpus(corpus, decode_audio=False)
    assert (finding.kind, finding.severity, finding.count) == ("duplicate", "error", 1)
    assert finding.utterances == ("u1 = u2",)


def test_two_ids_of_one_file_are_copies(tmp_path: Path, rng: np.random.Generator) -> None:
    one = sound(tmp_path / "one.flac", rng)
    findings = check_corpus(corpus_of(bonafide("u1", one), bonafide("u2", one)), decode_audio=False)
    assert of_kind(findings, "duplicate")[0].utterances == ("u1 = u2",)


def test_files_of_one_size_that_differ_are_no_copies(tmp_path: Path) -> None:
    rows = []
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(10_000) + name.encode())
        rows.append(bonafide(name, tmp_path / name))
    assert check_corpus(corpus_of(*rows), decode_audio=False) == []


def test_speakers_in_two_partitions() -> None:
    rows = [bonafide("u1", None, speaker="anna", partition="train"), bonafide("u2", None, speaker="anna")]
    rows += [bonafide("u3", None, speaker="ben"), bonafide("u4", None, partition="train")]
    (finding,) = check_corpus(corpus_of(*rows), decode_audio=False)
    assert (finding.kind, finding.severity) == ("speaker-overlap", "error")
    assert finding.utterances == ("anna",)


def test_counts_other_than_the_official(tmp_path: Path, rng: np.random.Generator) -> None:
    root = asvspoof2019_tree(tmp_path, rng, {"eval": (3, 13)})
    findings = check_corpus(read_corpus("asvspoof2019-la", root=root, partition="eval"), decode_audio=True)
    assert {(finding.kind, finding.severity) for finding in findings} == {("count", "error")}
    messages = [finding.message for finding in findings]
    assert "eval: 3 bonafide, officially 7,355" in messages
    assert "eval: 13 spoof, officially 63,882" in messages
    assert "eval: 1 trials of A19, officially 4,914" in messages


def test_attacks_outside_the_catalogue_are_named() -> None:
    rows = [("u1", None, "spoof", "A07", None, "eval"), ("u2", None, "spoof", "B07", None, "eval")]
    catalogue = {"A07": Attack("A07", "TTS", "", "", known=False)}
    corpus = Corpus("folder", corpus_of(*rows).table, catalogue)
    (finding,) = check_corpus(corpus, decode_audio=False)
    assert (finding.kind, finding.severity, finding.utterances) == ("attack", "warning", ("u2",))
    assert "B07" in finding.message
    assert check_corpus(corpus_of(*rows), decode_audio=False) == []


def test_an_interrupted_check_decodes_no_more_than_is_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []
    monkeypatch.setattr(check, "QUEUED", 4)
    monkeypatch.setattr(check, "decode", decoded.append)
    rows = []
    for n in range(40):
        (tmp_path / str(n)).write_bytes(bytes(n))
        rows.append(bonafide(f"u{n}", tmp_path / str(n)))

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_corpus(corpus_of(*rows), decode_audio=True, on_progress=interrupt)
    assert 1 <= len(decoded) <= 4


def test_progress_reaches_its_end(tmp_path: Path, rng: np.random.Generator) -> None:
    seen: list[tuple[int, int]] = []
    rows = [bonafide(f"u{n}", sound(tmp_path / f"{n}.flac", rng)) for n in range(3)]
    check_corpus(corpus_of(*rows), decode_audio=True, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
