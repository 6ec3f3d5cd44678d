"""`mma evaluate` as a person and as a program see it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from moe_mamba_asv.cli import evaluate as command

PROTOCOL_NAME = "ASVspoof2019.LA.cm.eval.trl.txt"
ASV_NAME = "ASVspoof2019.LA.asv.eval.gi.trl.scores.txt"

app = typer.Typer(name="mma")
command.register(app)
# With one command only, typer would drop its name.
app.callback()(lambda: None)


def mma(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.fixture
def tree(tmp_path):
    """A stand-in for the official tree: protocol and ASV scores of 2019 LA eval, 60 trials of each of three kinds."""
    root = tmp_path / "LA"
    attacks = ["-", "A07", "A16"] * 60
    lines = [
        f"LA_{index % 7:04d} LA_E_{1000000 + index} - {attack} {'bonafide' if attack == '-' else 'spoof'}"
        for index, attack in enumerate(attacks)
    ]
    (root / "ASVspoof2019_LA_cm_protocols").mkdir(parents=True)
    (root / "ASVspoof2019_LA_cm_protocols" / PROTOCOL_NAME).write_text("\n".join(lines) + "\n")
    rng = np.random.default_rng(0)
    asv = [
        f"{attack} {key} {mean + rng.normal():.5f}"
        for attack, key, mean in (
            ("bonafide", "target", 4),
            ("bonafide", "nontarget", 0),
            ("A07", "spoof", 3),
            ("A16", "spoof", 3),
        )
        for _ in range(60)
    ]
    (root / "ASVspoof2019_LA_asv_scores").mkdir()
    (root / "ASVspoof2019_LA_asv_scores" / ASV_NAME).write_text("\n".join(asv) + "\n")
    scores = [
        f"LA_E_{1000000 + index} {2 * (attack == '-') + rng.normal():.5f}" for index, attack in enumerate(attacks)
    ]
    (tmp_path / "my_system.txt").write_text("\n".join(scores) + "\n")
    return root


def protocol(tree):
    return tree / "ASVspoof2019_LA_cm_protocols" / PROTOCOL_NAME


def scores_of(tree):
    return tree.parent / "my_system.txt"


def judged(tree):
    return scores_of(tree), "--corpus", "asvspoof2019-la", "--root", tree


def test_json_on_stdout_and_nothing_else(tree):
    result = mma(scores_of(tree), "--corpus", "asvspoof2019-la", "--protocol", protocol(tree), "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["counts"] == {"bonafide": 60, "spoof": 120}
    assert (value["system"], value["corpus"], value["partition"]) == ("my_system", "asvspoof2019-la", "eval")
    assert {name: attack["known"] for name, attack in value["attacks"].items()} == {"A07": False, "A16": True}
    assert value["min_tdcf_2019"] is None


def test_asv_scores_of_the_tree_are_the_default_and_it_says_so(tree):
    with_root = mma(scores_of(tree), "--corpus", "asvspoof2019-la", "--root", tree, "--json")
    assert with_root.exit_code == 0, with_root.output
    assert ASV_NAME in with_root.stderr
    asv = tree / "ASVspoof2019_LA_asv_scores" / ASV_NAME
    named = mma(
        *(scores_of(tree), "--corpus", "asvspoof2019-la", "--protocol", protocol(tree)), "--asv-scores", asv, "--json"
    )
    value = json.loads(with_root.stdout)
    assert 0 < value["min_tdcf_2019"] < value["min_tdcf_2021"] < 1
    assert json.loads(named.stdout)["min_tdcf_2021"] == value["min_tdcf_2021"]


def test_table_for_a_person(tree, monkeypatch):
    monkeypatch.setattr(command.console, "width", 120)
    result = mma(scores_of(tree), "--corpus", "asvspoof2019-la", "--root", tree, "--system", "[mine]")
    assert result.exit_code == 0, result.output
    for text in ("[mine]", "EER", "2019 legacy", "2021 revised", "95% interval", "A16", "known", "all unknown", "120"):
        assert text in result.stdout


def test_out_is_the_same_document(tree, tmp_path):
    out = tmp_path / "results" / "eval.json"
    result = mma(scores_of(tree), "--corpus", "asvspoof2019-la", "--root", tree, "--json", "--out", out)
    assert json.loads(out.read_text()) == json.loads(result.stdout)


def test_reversed_scores_are_loud(tree, tmp_path):
    turned = tmp_path / "reversed.txt"
    lines = (line.split() for line in scores_of(tree).read_text().splitlines())
    turned.write_text("".join(f"{name} {-float(score)}\n" for name, score in lines))
    result = mma(turned, "--corpus", "asvspoof2019-la", "--protocol", protocol(tree), "--json")
    assert "reversed" in result.stderr
    assert json.loads(result.stdout)["eer"] > 0.5


def test_failed_files_make_exit_code_1(tree, tmp_path):
    names = [line.split() for line in scores_of(tree).read_text().splitlines()]
    rows = [f"{name}\t{score}\t" for name, score in names[1:]] + [f"{names[0][0]}\t\tcannot decode"]
    own = tmp_path / "scores.tsv"
    own.write_text("\n".join(["# mma-scores 1", "# model: aasist", "utterance\tscore\terror", *rows]) + "\n")
    result = mma(own, "--corpus", "asvspoof2019-la", "--protocol", protocol(tree), "--json")
    assert result.exit_code == 1
    assert names[0][0] in result.stderr
    value = json.loads(result.stdout)
    assert (value["failed"], value["counts"]["bonafide"], value["system"]) == (1, 59, "aasist")


def test_missing_scores_stop_or_are_allowed(tree, tmp_path):
    part = tmp_path / "part.txt"
    part.write_text("".join(scores_of(tree).read_text().splitlines(keepends=True)[:90]))
    arguments = (part, "--corpus", "asvspoof2019-la", "--protocol", protocol(tree), "--json")
    refused = mma(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "90 of 180 utterances have no score" in refused.stderr
    allowed = mma(*arguments, "--allow-missing")
    assert allowed.exit_code == 0
    assert json.loads(allowed.stdout)["counts"] == {"bonafide": 30, "spoof": 60}
    assert "90 of 180" in allowed.stderr


@pytest.mark.parametrize("option", [("--partition", "test"), ("--bootstrap", "-1")])
def test_wrong_use_is_exit_code_2(tree, option):
    assert mma(scores_of(tree), "--corpus", "asvspoof2019-la", "--root", tree, *option).exit_code == 2


def test_tables_by_columns_and_official_ones_are_printed_and_written(tree, tmp_path):
    files = [tmp_path / f"table.{ending}" for ending in ("csv", "md", "tex", "json")]
    options = [word for file in files for word in ("--write", file)]
    done = mma(*judged(tree), "--by", "attack", "--by", "speaker", "--bootstrap", 20, "--json", *options)
    assert done.exit_code == 0, done.output
    cells = json.loads(done.stdout)["table"]["cells"]
    assert {next(iter(cell["levels"])) for cell in cells} >= {"A07", "A16"}
    assert all(file.stat().st_size for file in files)
    assert json.loads(files[3].read_text())["cells"] == cells
    printed = mma(*judged(tree), "--table", "2019-la", "--bootstrap", 20)
    assert "| A16 |" in printed.stdout
    for wrong in (
        ("--by", "colour"),
        ("--table", "2030"),
        ("--by", "attack", "--table", "2019-la"),
        ("--write", "x.doc"),
    ):
        assert mma(*judged(tree), *wrong).exit_code == 2


def test_a_folder_of_systems_is_judged_side_by_side(tree, tmp_path):
    folder = tmp_path / "seeds"
    folder.mkdir()
    text = scores_of(tree).read_text()
    (folder / "seed-1.txt").write_text(text)
    (folder / "seed-2.txt").write_text(text.replace("LA_E_1000000 ", "LA_E_1000000 9"))
    options = ("--corpus", "asvspoof2019-la", "--root", tree, "--bootstrap", 20)
    done = mma(folder, *options, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert list(found["systems"]) == ["seed-1", "seed-2"]
    assert found["mean_eer"] == pytest.approx(np.mean([one["eer"] for one in found["systems"].values()]))
    (folder / "broken.txt").write_bytes(bytes(range(256)))
    (folder / "other.txt").write_text("X 1\nY 2\n")
    partly = mma(folder, *options)
    assert partly.exit_code == 1
    assert "mean" in partly.stdout
    assert "left out broken.txt" in partly.stderr
    assert "left out other" in partly.stderr


def test_a_fault_is_named_also_where_the_file_is_refused(tree, tmp_path):
    lines = scores_of(tree).read_text().splitlines()
    twice = tmp_path / "twice.txt"
    twice.write_text("\n".join([*lines, lines[0]]) + "\n")
    refused = mma(twice, "--corpus", "asvspoof2019-la", "--root", tree)
    assert refused.exit_code == 2
    assert "duplicates:" in refused.stderr
    reversed_file = tmp_path / "reversed.txt"
    reversed_file.write_text("\n".join(f"{line.split()[0]} {-float(line.split()[1])}" for line in lines) + "\n")
    loud = mma(reversed_file, "--corpus", "asvspoof2019-la", "--root", tree, "--json")
    assert [fault["kind"] for fault in json.loads(loud.stdout)["faults"]] == ["reversed"]


def test_scores_come_from_standard_input_too(tree):
    text = scores_of(tree).read_text()
    done = CliRunner().invoke(app, ["evaluate", "-", *map(str, judged(tree)[1:]), "--json"], input=text)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["eer"] == json.loads(mma(*judged(tree), "--json").stdout)["eer"]


def test_scores_on_dev_tell_the_gap(tree, tmp_path):
    folder = tree / "ASVspoof2019_LA_cm_protocols"
    lines = [
        f"LA_9 LA_D_{i} - {a} {'bonafide' if a == '-' else 'spoof'}" for i, a in enumerate(["-", "A04", "A06"] * 40)
    ]
    (folder / PROTOCOL_NAME.replace("eval", "dev")).write_text("\n".join(lines) + "\n")
    rng = np.random.default_rng(1)
    dev = tmp_path / "dev.txt"
    dev.write_text("".join(f"LA_D_{i} {4 * (i % 3 == 0) + rng.normal():.5f}\n" for i in range(120)))
    done = mma(*judged(tree), "--dev", dev, "--bootstrap", 20, "--json")
    assert done.exit_code == 0, done.output
    gap = json.loads(done.stdout)["gap"]
    assert gap["whole"]["value"] == pytest.approx(sum(link["value"] for link in gap["chain"]))
    assert gap["whole"]["after"]["eer"] > gap["whole"]["before"]["eer"]
    assert "Generalisation gap" in mma(*judged(tree), "--dev", dev, "--bootstrap", 20).stdout


def test_speakers_may_be_drawn_in_place_of_trials(tree):
    by_trial, by_speaker = (
        json.loads(mma(*judged(tree), "--json", *more).stdout) for more in ((), ("--cluster", "speaker"))
    )
    assert by_trial["eer"] == by_speaker["eer"]
    assert by_trial["eer_ci"] != by_speaker["eer_ci"]
    assert by_speaker["min_tdcf_2019_ci"][0] <= by_speaker["min_tdcf_2019"] <= by_speaker["min_tdcf_2019_ci"][1]
    assert by_speaker["cluster"] == "speaker"
    assert mma(*judged(tree), "--cluster", "colour").exit_code == 2


def test_what_if_is_answered_and_checked(tree):
    done = mma(*judged(tree), "--bootstrap", 0, "--what-if", "A07=0.05", "--json")
    answer = json.loads(done.stdout)["what_if"]
    assert answer["attacks"]["A07"] == pytest.approx(0.05, abs=1 / 60)
    assert answer["then"]["eer"] < answer["now"]["eer"]
    for wrong in ("A07", "A07=x", "A07=0.9", "A99=0.1"):
        assert mma(*judged(tree), "--what-if", wrong).exit_code == 2


def test_help_has_an_example():
    result = mma("--help")
    assert result.exit_code == 0
    assert "mma evaluate scores.tsv" in result.output


def test_the_process_never_imports_torch(tree):
    program = (
        "import sys, typer\n"
        "from moe_mamba_asv.cli import evaluate\n"
        "app = typer.Typer(); evaluate.register(app)\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'lightning', 'scipy', 'matplotlib', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    arguments = [str(scores_of(tree)), "--corpus", "asvspoof2019-la", "--root", str(tree)]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "EER" in done.stdout


@pytest.mark.shared
def test_published_figures_from_the_command_line(shared: Path):
    result = mma(
        *(shared / "scores/RawGAT_ST_mul.eval.txt", "--corpus", "asvspoof2019-la"),
        *("--protocol", shared / "asvspoof2019/protocols" / PROTOCOL_NAME),
        *("--asv-scores", shared / "asvspoof2019/asv_scores" / ASV_NAME, "--json"),
    )
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert (f"{value['eer']:.6f}", f"{value['min_tdcf_2019']:.5f}") == ("0.010601", "0.03354")
    assert (value["known"]["n"], value["unknown"]["n"]) == (9828, 54054)
