"""A run folder belongs to one question, and ``run.json`` says enough to ask it again."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import torch

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.records import claim
from moe_mamba_asv.training.records.claim import claim_folder, digest_of, facts_of, note_end
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Corpus

ASKED = {"seed": 1, "weights": (1.0, 2.0), "recipe": {"name": "línea"}}


def _record(out: Path) -> dict:
    return json.loads((out / "run.json").read_text(encoding="utf-8"))


def _corpus(folder: Path, kind: str = "folder", **changes: list) -> Corpus:
    """Three clips of 10, 20 and 30 bytes, the last a spoof."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.flac" for name in "abc"]
    for size, path in zip((10, 20, 30), paths, strict=True):
        path.write_bytes(bytes(size))
    columns = {
        "utterance": ["a", "b", "c"],
        "path": [str(path) for path in paths],
        "label": ["bonafide", "bonafide", "spoof"],
        "attack": [None, None, "A01"],
        "speaker": ["s"] * 3,
        "partition": ["train"] * 3,
    }
    return Corpus(kind, pl.DataFrame({**columns, **changes}, schema=dict(UTTERANCE_SCHEMA)))


def test_a_new_folder_is_claimed_with_its_parents(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    claim_folder(out, ASKED, {"command": "mma train"}, resume=True)
    assert _record(out) == {
        "asked": {"seed": 1, "weights": [1.0, 2.0], "recipe": {"name": "línea"}},
        "command": "mma train",
    }


def test_a_claimed_folder_is_refused_without_resume(tmp_path: Path) -> None:
    claim_folder(tmp_path, ASKED, {}, resume=False)
    with pytest.raises(TrainingError, match=r"already holds a run.*--resume"):
        claim_folder(tmp_path, ASKED, {}, resume=False)


def test_the_same_question_goes_on_and_keeps_the_first_record(tmp_path: Path) -> None:
    claim_folder(tmp_path, ASKED, {"started": "first"}, resume=True)
    claim_folder(tmp_path, ASKED, {"started": "second"}, resume=True)
    assert _record(tmp_path)["started"] == "first"


def test_another_question_is_refused_by_the_names_of_what_differs(tmp_path: Path) -> None:
    claim_folder(tmp_path, ASKED, {}, resume=True)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(TrainingError, match=r"with other seed, max_steps;"):
        claim_folder(tmp_path, {**ASKED, "seed": 2, "max_steps": 9}, {}, resume=True)
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"asked": 3}'])
def test_a_record_of_somebody_else_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(TrainingError, match=r"run\.json"):
        claim_folder(tmp_path, ASKED, {}, resume=True)


def test_the_end_is_noted_beside_the_start(tmp_path: Path) -> None:
    claim_folder(tmp_path, ASKED, facts_of([], []), resume=False)
    note_end(tmp_path)
    record = _record(tmp_path)
    times = [datetime.fromisoformat(record[name]) for name in ("started", "ended")]
    assert times[0] <= times[1]
    assert times[0].tzinfo is not None
    assert record["asked"]["seed"] == 1


def test_facts_name_versions_machine_data_and_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mma", "train", "a recipe"])
    corpora = [_corpus(tmp_path / "one"), _corpus(tmp_path / "two", attack=[None, None, "A02"])]
    facts = json.loads(json.dumps(facts_of(corpora, corpora[:1])))
    assert facts["command"] == "mma train 'a recipe'"
    assert facts["versions"]["torch"] == torch.__version__
    assert {"moe-mamba-asv", "python", "numpy", "lightning", "transformers", "peft"} <= facts["versions"].keys()
    assert facts["machine"]["system"]
    digests = [digest_of(corpus) for corpus in corpora]
    assert [one["sha256"] for one in facts["data"]["train"]] == digests  # both, though they are of one kind
    assert facts["data"]["dev"] == [{"corpus": "folder", "sha256": digests[0]}]


def test_a_digest_knows_neither_the_place_nor_the_order_of_clips(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path / "here")
    turned = Corpus("folder", corpus.table.reverse())
    assert digest_of(turned) == digest_of(_corpus(tmp_path / "there")) == digest_of(corpus)


@pytest.mark.parametrize(
    "change",
    [
        {"utterance": ["a", "b", "d"]},
        {"label": ["bonafide", "spoof", "spoof"]},
        {"attack": [None, None, "A02"]},
        {"partition": ["train", "train", "dev"]},
        {"path": [None, None, None]},
    ],
)
def test_a_digest_sees_each_column_that_counts(tmp_path: Path, change: dict) -> None:
    assert digest_of(_corpus(tmp_path, **change)) != digest_of(_corpus(tmp_path))


def test_a_digest_sees_a_file_that_grew_and_one_that_went(tmp_path: Path) -> None:
    corpus = _corpus(tmp_path)
    digests = {digest_of(corpus)}
    (tmp_path / "b.flac").write_bytes(bytes(21))
    digests.add(digest_of(corpus))
    (tmp_path / "b.flac").unlink()
    digests.add(digest_of(corpus))
    assert len(digests) == 3


def test_git_tells_the_commit_and_whether_there_are_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("one")
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "notes.txt"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], check=True)
    Path("untracked.txt").write_text("a run folder, perhaps")
    clean = facts_of([], [])["git"]
    assert len(clean["commit"]) == 40
    assert not clean["has_changes"]
    Path("notes.txt").write_text("two")
    assert facts_of([], [])["git"] == {"commit": clean["commit"], "has_changes": True}


def test_without_repository_or_git_or_answer_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert facts_of([], [])["git"] is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert facts_of([], [])["git"] is None
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nwhile :; do :; done\n")
    slow.chmod(0o755)
    monkeypatch.setattr(claim, "_GIT_TIMEOUT_S", 0.1)
    assert facts_of([], [])["git"] is None
