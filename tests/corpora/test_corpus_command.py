"""`mma corpus list` and `mma corpus check` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.kinds import KINDS
from stand_in import asvspoof2019_tree, asvspoof2021_tree

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
    assert answer.exit_code == 1


def test_check_of_what_cannot_be_read(tmp_path: Path) -> None:
    answer = run(app, ["corpus", "check", "asvspoof2019-la", "--root", str(tmp_path / "nowhere")])
    assert answer.exit_code == 2
    assert "nowhere" in answer.stderr


@pytest.mark.parametrize(
    ("kind", "name", "content", "said"),
    [
        (
            "manifest",
            "m.csv",
            "utterance,partition\na,eval\nb,test\n",
            "line 3: partition 'test' of b; wanted: train | dev",
        ),
        ("manifest", "m.csv", "utterance,partition\na,\n", "partition '' of a"),
        ("manifest", "m.csv", "utterance,label\na,spoof\n,spoof\n", "m.csv, line 3: 1 rows have no utterance"),
        ("manifest", "m.csv", 'utterance,label\n" ",spoof\n', "m.csv, line 2: 1 rows have no utterance"),
        ("manifest", "m.csv", "utterance,label\na,human\n", "m.csv, line 2: label 'human' of a"),
        ("asvspoof2021-la", "k.txt", "LA_1 LA_E_1 alaw loc_tx A07 spoof notrim final\n", "line 1: subset 'final'"),
    ],
)
def test_check_of_wrong_words(tmp_path: Path, kind: str, name: str, content: str, said: str) -> None:
    (tmp_path / name).write_text(content)
    answer = run(app, ["corpus", "check", kind, "--protocol", str(tmp_path / name)])
    assert answer.exit_code == 2
    assert said in answer.stderr


@pytest.mark.parametrize(
    "content", ["[]", "3", '{"attacks": 3}', '{"attacks": ["M01"]}', '{"attacks": [null]}', "{}", "{"]
)
def test_check_of_a_broken_description(tmp_path: Path, content: str) -> None:
    (tmp_path / "corpus.json").write_text(content)
    answer = run(app, ["corpus", "check", "minispoof", "--root", str(tmp_path)])
    assert answer.exit_code == 2
    assert "corpus.json cannot be read" in answer.stderr


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("E_3 E_0000000003 M C05 2 - AC1 A26 fake -", "eval.track_1.tsv, line 2: label 'fake' of E_0000000003"),
        ("T_1 T_0000000001 F - - - AC3 A05 spoof -", "utterance 'T_0000000001' is listed twice"),
    ],
)
def test_check_names_the_file_of_several(tmp_path: Path, last: str, said: str) -> None:
    (tmp_path / "ASVspoof5.train.tsv").write_text("T_1 T_0000000001 F - - - AC3 A05 spoof -\n")
    (tmp_path / "ASVspoof5.dev.track_1.tsv").write_text("D_1 D_0000000001 M - - - - bonafide bonafide -\n")
    (tmp_path / "ASVspoof5.eval.track_1.tsv").write_text(f"E_1 E_0000000001 M C05 2 - AC1 A26 spoof -\n{last}\n")
    answer = run(app, ["corpus", "check", "asvspoof5", "--root", str(tmp_path)])
    assert answer.exit_code == 2
    assert said in answer.stderr


@pytest.mark.parametrize(("subset", "bonafide"), [("all", 13), ("eval", 8), ("progress", 3)])
@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_subset_all_judges_every_phase(tmp_path: Path, command: str, subset: str, bonafide: int) -> None:
    rng = np.random.default_rng(3)
    root = asvspoof2021_tree(tmp_path, "LA", rng)
    keys = root / "keys" / "LA" / "CM" / "trial_metadata.txt"
    scores = tmp_path / "scores.txt"
    scores.write_text("".join(f"{line.split()[1]} {rng.normal():.5f}\n" for line in keys.read_text().splitlines()))
    options = ["--corpus", "asvspoof2021-la", "--protocol", str(keys), "--subset", subset, "--allow-extra"]
    options += ["--out", str(tmp_path / "out"), "--bootstrap", "0", "--json"]
    answer = run(app, [command, str(scores), *options])
    assert answer.exit_code == 0, answer.output
    judged = json.loads(answer.stdout)
    assert (judged if command == "evaluate" else judged["systems"][0])["counts"]["bonafide"] == bonafide


def test_help_has_an_example() -> None:
    for command in ("list", "check", "build"):
        assert f"mma corpus {command}" in run(app, ["corpus", command, "--help"]).stdout
