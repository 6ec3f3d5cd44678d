"""`mma corpus list` and `mma corpus check` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.kinds import KINDS
from stand_in import asvspoof2019_tree

run = CliRunner().invoke


@pytest.fixture
def good(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    asvspoof2019_tree(tmp_path / "tree", rng, {"eval": (2, 2)})
    folder = tmp_path / "tree" / "LA" / "ASVspoof2019_LA_eval" / "flac"
    lines = ["utterance,path,label", *(f"{file.stem},{file},bonafide" for file in sorted(folder.iterdir()))]
    manifest = tmp_path / "mine.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def test_list_names_every_kind() -> None:
    answer = run(app, ["corpus", "list"], env={"COLUMNS": "240"})
    assert answer.exit_code == 0
    assert all(kind in answer.stdout for kind in KINDS)


def test_list_as_json() -> None:
    kinds = {entry["name"]: entry for entry in json.loads(run(app, ["corpus", "list", "--json"]).stdout)}
    assert set(kinds) == set(KINDS)
    of_eval = next(count for count in kinds["asvspoof2021-df"]["counts"] if count["subset"] == "eval")
    assert (of_eval["bonafide"], of_eval["spoof"]) == (14_869, 519_059)


def test_check_of_a_whole_corpus_passes(good: Path) -> None:
    answer = run(app, ["corpus", "check", "manifest", "--root", str(good), "--json"])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == {"kind": "manifest", "utterances": 4, "findings": []}


def test_check_fails_on_errors(good: Path) -> None:
    good.write_text(good.read_text() + "gone,gone.wav,spoof\n")
    answer = run(app, ["corpus", "check", "manifest", "--root", str(good), "--no-decode"])
    assert answer.exit_code == 1
    assert "error: " in answer.stdout
    assert "gone" in answer.stdout


def test_check_of_a_stand_in_tells_the_official_counts(tmp_path: Path) -> None:
    root = asvspoof2019_tree(tmp_path, np.random.default_rng(2))
    answer = run(app, ["corpus", "check", "asvspoof2019-la", "--root", str(root), "--json"])
    result = json.loads(answer.stdout)
    assert result["utterances"] == 57
    assert {finding["kind"] for finding in result["findings"]} == {"count"}


def test_check_of_what_cannot_be_read(tmp_path: Path) -> None:
    answer = run(app, ["corpus", "check", "asvspoof2019-la", "--root", str(tmp_path / "nowhere")])
    assert answer.exit_code == 2
    assert "nowhere" in answer.stderr


def test_help_has_an_example() -> None:
    for command in ("list", "check", "build"):
        assert f"mma corpus {command}" in run(app, ["corpus", command, "--help"]).stdout
