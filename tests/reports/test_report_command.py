"""`mma report` as a person and as a program see it."""

import json

import pytest
import typer
from awkward_names import AWKWARD_MODEL
from typer.testing import CliRunner

from moe_mamba_asv.cli import report as command

app = typer.Typer(name="mma")
command.register(app)
# With one command only, typer would drop its name.
app.callback()(lambda: None)

PAGES = ["report.en.html", "report.en.md", "report.zh.html", "report.zh.md", "report.json"]


def mma(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.fixture
def manifest(corpus, tmp_path):
    file = tmp_path / "manifest.csv"
    corpus.table.select("utterance", "label", "attack", "partition").write_csv(file)
    return file


def test_two_systems_in_both_languages(score_files, manifest, tmp_path):
    out = tmp_path / "out"
    result = mma(*score_files, "--corpus", "manifest", "--root", manifest, "--out", out, "--bootstrap", 20)
    assert result.exit_code == 1, result.output  # one utterance of the first system could not be scored
    assert sorted(file.name for file in out.iterdir() if file.is_file()) == sorted(PAGES)
    systems = json.loads((out / "report.json").read_text())["systems"]
    assert [system["evaluation"]["system"] for system in systems] == [AWKWARD_MODEL, "bare"]
    assert str(tmp_path) not in "".join((out / page).read_text() for page in PAGES)


def test_one_language_and_json_on_stdout(score_files, manifest, tmp_path):
    out = tmp_path / "out"
    result = mma(
        score_files[1], "--corpus", "manifest", "--protocol", manifest, "--out", out,
        "--lang", "zh", "--bootstrap", 0, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    written = json.loads((out / "report.json").read_text())
    assert said["systems"] == [system["evaluation"] for system in written["systems"]]
    assert set(said["files"]) == {str(file) for file in out.rglob("*") if file.is_file()}
    assert not (out / "report.en.html").exists()
    assert "--bootstrap 0" in (out / "report.zh.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--corpus", "manifests"], "manifest"),
        (["--corpus", "manifest", "--partition", "dev"], "dev"),
        (["--corpus", "manifest", "--asv-scores", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(score_files, manifest, tmp_path, arguments, said):
    out = tmp_path / "out"
    result = mma(score_files[1], *arguments, "--root", manifest, "--out", out)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not out.exists()


@pytest.mark.shared
def test_rawgat_report_shows_the_published_figures(shared, tmp_path):
    data = shared / "asvspoof2019"
    result = mma(
        *(shared / "scores" / f"RawGAT_ST_{name}.eval.txt" for name in ("mul", "add", "cat")),
        "--corpus", "asvspoof2019-la",
        "--protocol", data / "protocols" / "ASVspoof2019.LA.cm.eval.trl.txt",
        "--asv-scores", data / "asv_scores" / "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt",
        "--out", tmp_path, "--bootstrap", 100,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report.en.md").read_text().replace("\u00a0", " ")
    for figure in ("1.06 %", "1.16 %", "1.24 %", "| 0.0335 |", "| 0.0374 |", "| 0.0388 |", "1.75 %", "3.09 %"):
        assert figure in text


def test_a_report_that_does_not_hold_is_told_with_its_operands(tmp_path):
    written = tmp_path / "theirs.md"
    written.write_text("The EER is 4.44 % against 0.83 %, which is 4.35 times as much.\n")
    result = mma("--check", written)
    assert result.exit_code == 1
    assert "line 1: ratio 4.35 times, from 4.44 %, 0.83 %" in result.output
    said = json.loads(mma("--check", written, "--json").stdout)
    assert [claim["holds"] for claim in said["claims"]] == [False]
    written.write_text("The EER is 4.44 % against 0.83 %, which is 5.35 times as much.\n")
    assert mma("--check", written).exit_code == 0
    assert mma("--check", written, "--out", tmp_path).exit_code == 2
    assert mma("--check", tmp_path / "nowhere.md").exit_code == 2
    assert mma().exit_code == 2
