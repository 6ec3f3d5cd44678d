"""`mma evaluate` of calibrated scores, at a threshold, and with ASV scores of every trial."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from moe_mamba_asv.cli import calibrate, evaluate
from moe_mamba_asv.cli.terminal import console
from moe_mamba_asv.evaluation.calibration.calibration import read_calibration
from moe_mamba_asv.evaluation.calibration.table import calibrate_table
from moe_mamba_asv.scores import read_scores, write_scores

app = typer.Typer(name="mma")
evaluate.register(app)
calibrate.register(app)


def mma(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Protocols and scores of 2019 LA dev and eval, 300 trials each; a calibration; ASV scores of eval."""
    monkeypatch.setattr(console, "width", 140)
    folder = tmp_path / "LA" / "ASVspoof2019_LA_cm_protocols"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for partition, letter in (("dev", "D"), ("eval", "E")):
        attacks = ["-", "A04" if partition == "dev" else "A16", "-"] * 100
        keys = ["bonafide" if attack == "-" else "spoof" for attack in attacks]
        names = [f"LA_{letter}_{1000000 + index}" for index in range(300)]
        rows = list(zip(names, attacks, keys, strict=True))
        text = "".join(f"LA_0001 {name} - {attack} {key}\n" for name, attack, key in rows)
        (folder / f"ASVspoof2019.LA.cm.{partition}.trl.txt").write_text(text)
        scores = [f"{name}\t{3 * (key == 'bonafide') + rng.normal():.5f}\t\n" for name, _, key in rows]
        head = "# mma-scores 1\n# model: aasist\n# model_sha256: " + "a" * 64 + "\nutterance\tscore\terror\n"
        (tmp_path / f"{partition}.tsv").write_text(head + "".join(scores))
    kinds = ["target", "spoof", "nontarget"] * 100
    lines = [
        f"LA_E_{1000000 + index}\t{2 * (kind != 'nontarget') + rng.normal():.5f}\t{kind}\n"
        for index, kind in enumerate(kinds)
    ]
    (tmp_path / "asv.tsv").write_text("utterance\tasv_score\tkind\n" + "".join(lines))
    learned = mma("calibrate", tmp_path / "dev.tsv", *corpus(tmp_path), "--out", tmp_path / "best.calibration.json")
    assert learned.exit_code == 0, learned.output
    return tmp_path


def corpus(place):
    return "--corpus", "asvspoof2019-la", "--root", place / "LA"


def judged(place, *options, scores="eval.tsv"):
    return mma("evaluate", place / scores, *corpus(place), "--bootstrap", 20, *options)


def found(place, *options, **chosen):
    result = judged(place, *options, "--json", **chosen)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_without_the_options_nothing_is_added(place):
    value = found(place)
    assert (value["calibrated"], value["decisions"], value["tandem"]) == (None, None, None)


def test_a_calibration_file_and_a_calibrated_score_file_answer_the_same(place):
    file = place / "best.calibration.json"
    by_file = found(place, "--calibration", file)
    calibrated = calibrate_table(read_scores(place / "eval.tsv"), read_calibration(file), prior=0.5)
    write_scores(place / "calibrated.tsv", calibrated)
    by_scores = found(place, scores="calibrated.tsv")
    assert by_file["calibrated"]["calibrated_on"] == "asvspoof2019-la dev"
    for name in ("act_dcf", "cllr", "ece"):
        assert by_scores["calibrated"][name] == pytest.approx(by_file["calibrated"][name], abs=1e-7)
    assert by_scores["decisions"]["accuracy"] == by_file["decisions"]["accuracy"] > 0.85
    assert by_file["min_dcf"] <= by_file["calibrated"]["act_dcf"]
    assert by_file["min_cllr"] <= by_file["calibrated"]["cllr"] < by_file["min_cllr"] + 0.1
    assert by_file["eer"] == by_scores["eer"] == found(place)["eer"]


def test_the_prior_moves_the_threshold_and_what_is_expected(place):
    file = place / "best.calibration.json"
    half, rare = (found(place, "--calibration", file, "--prior", prior) for prior in (0.5, 0.01))
    assert half["decisions"]["threshold"] == 0.0
    assert rare["decisions"]["threshold"] == pytest.approx(np.log(99))
    assert rare["decisions"]["p_miss"] > half["decisions"]["p_miss"]
    assert rare["calibrated"]["prior"] == 0.01
    assert rare["calibrated"]["cllr"] == half["calibrated"]["cllr"]


def test_a_threshold_of_scores_decides_without_a_calibration(place):
    value = found(place, "--threshold", 1.5)["decisions"]
    assert (value["scale"], value["threshold"]) == ("score", 1.5)
    rows = [line.split("\t") for line in (place / "eval.tsv").read_text().splitlines()[4:]]
    accepted = sum(float(score) > 1.5 for index, (_, score, _) in enumerate(rows) if index % 3 != 1)
    assert value["bonafide_accepted"] == accepted
    assert value["p_miss"] == pytest.approx(1 - accepted / 200)


def test_asv_trials_give_adcf_and_teer(place):
    value = found(place, "--asv-trials", place / "asv.tsv")["tandem"]
    assert (value["target"], value["nontarget"], value["spoof"]) == (100, 100, 100)
    assert value["min_adcf"] < value["min_adcf_asv"] <= 1
    assert 0 < value["teer"]["value"] < 0.3
    assert value["path"]


def test_a_person_reads_them_all(place):
    options = ("--calibration", place / "best.calibration.json", "--asv-trials", place / "asv.tsv")
    result = judged(place, *options)
    assert result.exit_code == 0, result.output
    value = found(place, *options)
    for text in (
        "logistic calibration, learned on asvspoof2019-la dev",
        f"act DCF {value['calibrated']['act_dcf']:.4f}",
        f"Cllr {value['calibrated']['cllr']:.4f}",
        f"ECE {100 * value['calibrated']['ece']:.3f} %",
        "above a log-likelihood ratio of 0",
        f"accuracy {100 * value['decisions']['accuracy']:.3f} %",
        f"{value['tandem']['min_adcf']:.4f}",
        f"{100 * value['tandem']['teer']['value']:.3f} %",
    ):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--prior", "0.1"), "not calibrated"),
        (("--threshold", "nan"), "threshold"),
        (("--calibration", "eval.tsv"), "is not a calibration"),
        (("--calibration", "best.calibration.json", "--prior", "1"), "prior of 1"),
        (("--asv-trials", "eval.tsv"), "wanted: a first line with the columns"),
        (("--asv-trials", "short.tsv"), "have no trial in short.tsv: LA_E_1000003"),
    ],
)
def test_wrong_use_is_one_line(place, options, said):
    (place / "short.tsv").write_text("".join((place / "asv.tsv").read_text().splitlines(keepends=True)[:4]))
    result = judged(place, *(place / word if (place / word).is_file() else word for word in options))
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_a_part_is_judged_where_that_is_allowed(place):
    (place / "short.tsv").write_text("".join((place / "asv.tsv").read_text().splitlines(keepends=True)[:31]))
    value = found(place, "--asv-trials", place / "short.tsv", "--allow-missing")
    assert value["tandem"]["target"] == 10
    assert any("short.tsv" in warning for warning in value["warnings"])


def test_a_calibration_of_another_model_is_refused(place):
    other = (place / "eval.tsv").read_text().replace("a" * 64, "b" * 64)
    (place / "other.tsv").write_text(other)
    result = judged(place, "--calibration", place / "best.calibration.json", scores="other.tsv")
    assert result.exit_code == 2
    assert "mma calibrate" in result.stderr


def test_what_a_folder_of_systems_does_not_read_is_refused(place):
    (place / "systems").mkdir()
    (place / "systems" / "a.tsv").write_text((place / "eval.tsv").read_text())
    assert judged(place, scores="systems").exit_code == 0
    for options in (("--threshold", 0), ("--by", "attack"), ("--out", place / "x.json"), ("--allow-missing",)):
        refused = judged(place, *options, scores="systems")
        assert refused.exit_code == 2
        assert f"{options[0]} for a folder" in refused.stderr


def test_tables_draw_the_clusters_too(place):
    table = found(place, "--by", "attack", "--cluster", "utterance")["table"]
    assert table["cluster"] == "utterance"
    assert (
        table["cells"][0]["figures"]["eer"]["ci"]
        != found(place, "--by", "attack")["table"]["cells"][0]["figures"]["eer"]["ci"]
    )


def test_help_has_an_example_of_each():
    output = mma("evaluate", "--help").output
    for example in ("--calibration best.calibration.json", "--threshold 1.5", "--asv-trials asv.tsv"):
        assert example in " ".join(output.split())
