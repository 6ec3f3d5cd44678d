"""`mma calibrate` as a person and as a program see it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from moe_mamba_asv.cli import calibrate as command
from moe_mamba_asv.evaluation.calibration.calibration import read_calibration

DIGEST = "0123456789abcdef" * 4

app = typer.Typer(name="mma")
command.register(app)
# With one command only, typer would drop its name.
app.callback()(lambda: None)


def mma(*arguments):
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


@pytest.fixture
def tree(tmp_path):
    """Protocols of 2019 LA dev and eval, 300 trials each, and scores of both."""
    folder = tmp_path / "LA" / "ASVspoof2019_LA_cm_protocols"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for partition, letter, ending in (("dev", "D", "trl"), ("eval", "E", "trl")):
        names = [f"LA_{letter}_{1000000 + index}" for index in range(300)]
        attacks = ["-", "A04" if partition == "dev" else "A16", "-"] * 100
        keys = ["bonafide" if attack == "-" else "spoof" for attack in attacks]
        lines = [f"LA_0001 {name} - {attack} {key}" for name, attack, key in zip(names, attacks, keys, strict=True)]
        (folder / f"ASVspoof2019.LA.cm.{partition}.{ending}.txt").write_text("\n".join(lines) + "\n")
        rows = [
            f"{name}\t{2 * (key == 'bonafide') + rng.normal():.5f}\t" for name, key in zip(names, keys, strict=True)
        ]
        write_scores(tmp_path / f"{partition}.tsv", rows)
    return tmp_path


def write_scores(file, rows):
    header = f"# mma-scores 1\n# direction: higher = bona fide\n# model: [aasist]\n# model_sha256: {DIGEST}\n"
    file.write_text(header + "utterance\tscore\terror\n" + "\n".join(rows) + "\n")


def asked(tree, *, scores="dev.tsv"):
    out = tree / "run" / "best.calibration.json"
    return (tree / scores, "--corpus", "asvspoof2019-la", "--root", tree / "LA", "--out", out), out


def test_the_file_holds_what_the_scores_and_the_corpus_say(tree):
    arguments, out = asked(tree)
    result = mma(*arguments)
    assert result.exit_code == 0, result.output
    found = read_calibration(out)
    assert (found.kind, found.corpus, found.partition) == ("logistic", "asvspoof2019-la", "dev")
    assert (found.bonafide, found.spoof, found.failed) == (200, 100, 0)
    assert (found.system, found.model_sha256) == ("[aasist]", DIGEST)
    assert found.llr(1.0) - found.llr(0.0) == pytest.approx(2, rel=0.3)


@pytest.mark.parametrize(("kind", "said"), [("logistic", "for each unit of score"), ("isotonic", "nodes")])
def test_a_person_reads_the_map_and_what_it_gained(tree, monkeypatch, kind, said):
    monkeypatch.setattr(command.console, "width", 120)
    arguments, out = asked(tree)
    result = mma(*arguments, "--kind", kind)
    found = read_calibration(out)
    assert result.exit_code == 0, result.output
    for text in (f"[aasist]: {kind}", said, f"{found.cllr_before:.4f}", f"{found.cllr_after:.4f}", str(out), "200"):
        assert text in result.stdout


def test_json_on_stdout_is_the_file(tree):
    arguments, out = asked(tree)
    result = mma(*arguments, "--json", "--kind", "isotonic")
    assert json.loads(result.stdout) == json.loads(out.read_text())


def test_scores_of_eval_teach_nothing_and_nothing_is_written(tree):
    arguments, out = asked(tree, scores="eval.tsv")
    as_eval, as_dev = mma(*arguments, "--partition", "eval"), mma(*arguments)
    assert (as_eval.exit_code, as_dev.exit_code) == (2, 2)
    assert "learned on eval" in as_eval.stderr
    assert "none of the 300 scored utterances" in as_dev.stderr
    assert not out.exists()


def test_failed_files_are_left_out_and_make_exit_code_1(tree):
    lines = (tree / "dev.tsv").read_text().splitlines()[5:]
    write_scores(tree / "dev.tsv", [f"{lines[0].split()[0]}\t\tcannot decode", *lines[1:]])
    arguments, out = asked(tree)
    result = mma(*arguments)
    assert result.exit_code == 1
    assert "could not be scored" in result.stderr
    assert (read_calibration(out).failed, read_calibration(out).bonafide) == (1, 199)


def test_a_part_of_dev_is_refused_unless_it_is_asked_for(tree):
    write_scores(tree / "dev.tsv", (tree / "dev.tsv").read_text().splitlines()[5:205])
    arguments, out = asked(tree)
    assert mma(*arguments).exit_code == 2
    assert mma(*arguments, "--allow-missing").exit_code == 0
    assert read_calibration(out).bonafide + read_calibration(out).spoof == 200


def test_the_program_has_the_command_and_help_loads_no_torch():
    program = (
        "import sys; from moe_mamba_asv.cli.main import app; app(['calibrate', '--help'], standalone_mode=False); "
    )
    program += "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--kind" in result.stdout
