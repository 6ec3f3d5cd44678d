"""`mma compare A B` as a person and as a program see it."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from moe_mamba_asv.cli import compare as command
from moe_mamba_asv.scores import read_scores

app = typer.Typer(name="mma")
command.register(app)
# With one command only, typer would drop its name.
app.callback()(lambda: None)
PROTOCOLS = {"E": "ASVspoof2019.LA.cm.eval.trl.txt", "D": "ASVspoof2019.LA.cm.dev.trl.txt"}


def mma(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


@pytest.fixture
def place(tmp_path):
    """Protocols of dev and eval with 40 trials of each of three kinds, and score files of two systems on both."""
    folder = tmp_path / "LA" / "ASVspoof2019_LA_cm_protocols"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for letter, attacks in (("E", ("-", "A07", "A16")), ("D", ("-", "A01", "A04"))):
        kinds = attacks * 40
        names = [f"LA_{letter}_{1000000 + index}" for index in range(len(kinds))]
        lines = [
            f"LA_{index % 7:04d} {name} - {kind} {'bonafide' if kind == '-' else 'spoof'}"
            for index, (name, kind) in enumerate(zip(names, kinds, strict=True))
        ]
        (folder / PROTOCOLS[letter]).write_text("\n".join(lines) + "\n")
        for system in "ab":
            scores = [f"{name} {2 * (kind == '-') + rng.normal():.5f}" for name, kind in zip(names, kinds, strict=True)]
            (tmp_path / f"{system}_{letter}.txt").write_text("\n".join(scores) + "\n")
    return tmp_path


@pytest.fixture
def usual(place):
    return [place / "a_E.txt", place / "b_E.txt", "--corpus", "asvspoof2019-la", "--root", place / "LA"]


def test_json_on_stdout_and_nothing_else(usual):
    done = mma(*usual, "--json", "--bootstrap", 20)
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert [system["system"] for system in value["systems"]] == ["a_E", "b_E"]
    assert value["counts"] == {"bonafide": 40, "spoof": 80}
    (pair,) = value["pairs"]
    assert set(pair["attacks"]) == {"A07", "A16"}
    assert pair["known"]["n"] == pair["unknown"]["n"] == 40


def test_the_tables_say_who_is_who_and_what_is_shown(usual):
    done = mma(*usual, "--bootstrap", 20)
    assert done.exit_code == 0, done.output
    for text in ("A = a_E, B = b_E", "all unknown", "A16", "not shown", "Pearson / Spearman", "take 80 or more"):
        assert text in done.stdout


def test_costs_come_with_asv_scores(usual, place):
    rng = np.random.default_rng(1)
    kinds = (("bonafide", "target", 4), ("bonafide", "nontarget", 0), ("A07", "spoof", 3), ("A16", "spoof", 3))
    lines = [f"{attack} {key} {mean + rng.normal():.5f}" for attack, key, mean in kinds for _ in range(40)]
    (place / "asv.txt").write_text("\n".join(lines) + "\n")
    done = mma(*usual, "--asv-scores", place / "asv.txt", "--bootstrap", 20)
    assert done.exit_code == 0, done.output
    assert "min t-DCF, 2019 legacy" in done.stdout
    assert "min t-DCF, 2021 revised" in done.stdout


def test_a_logistic_fusion_is_trained_on_dev_and_written(usual, place):
    out = place / "fused.tsv"
    dev = ["--dev", place / "a_D.txt", "--dev", place / "b_D.txt"]
    done = mma(*usual, "--fuse", "logistic", *dev, "--out", out, "--json", "--bootstrap", 0)
    assert done.exit_code == 0, done.output
    value = json.loads(done.stdout)
    assert value["fusion"]["fitted_on"] == "dev"
    assert len(value["pairs"]) == 3
    fused = read_scores(out)
    assert len(fused.frame) == 120
    parts = [read_scores(place / f"{system}_E.txt").frame["score"].to_numpy() for system in "ab"]
    how = {name: np.array(value["fusion"][name])[:, None] for name in ("means", "scales", "weights")}
    wanted = (how["weights"] * (np.stack(parts) - how["means"]) / how["scales"]).sum(axis=0) + value["fusion"]["bias"]
    np.testing.assert_allclose(fused.frame["score"].to_numpy(), wanted, rtol=1e-8)
    shown = mma(*usual, "--fuse", "average", "--out", out, "--bootstrap", 0)
    assert "average fusion: 0.5 a_E + 0.5 b_E" in shown.stdout


def test_dev_labels_may_come_from_a_protocol_alone(place):
    folder = place / "LA" / "ASVspoof2019_LA_cm_protocols"
    files = [place / "a_E.txt", place / "b_E.txt", "--corpus", "asvspoof2019-la", "--protocol", folder / PROTOCOLS["E"]]
    dev = ["--dev", place / "a_D.txt", "--dev", place / "b_D.txt", "--dev-protocol", folder / PROTOCOLS["D"]]
    assert mma(*files, "--fuse", "logistic", *dev, "--bootstrap", 0).exit_code == 0


def test_eval_scores_given_as_dev_are_refused(usual, place):
    dev = ["--dev", place / "a_E.txt", "--dev", place / "b_E.txt"]
    done = mma(*usual, "--fuse", "logistic", *dev)
    assert done.exit_code == 2
    assert "none of the 120 scored utterances" in done.stderr


def test_an_interpolation_is_shown_beside(usual, place):
    points = [{"share": share, "dev_eer": 0.125 * share, "interval": [0, 0.5]} for share in (0, 0.5, 1)]
    file = place / "points.json"
    file.write_text(json.dumps({"models": ["first", "second"], "clips": 9, "points": points, "out": None}))
    done = mma(*usual, "--interpolation", file, "--bootstrap", 0)
    assert "Mixtures of first and second" in done.stdout
    assert "6.250 [0.000, 50.000]" in done.stdout
    as_json = json.loads(mma(*usual, "--interpolation", file, "--bootstrap", 0, "--json").stdout)
    assert as_json["interpolation"]["points"] == points


def test_a_failed_trial_makes_the_exit_code_one(usual, place):
    rows = (place / "b_E.txt").read_text().splitlines()
    own = [f"{name}\t{score}\t" for name, score in map(str.split, rows)]
    own[4] = f"{own[4].split()[0]}\t\tno sound"
    (place / "b_E.txt").write_text("# mma-scores 1\n# direction: higher = bona fide\nutterance\tscore\terror\n")
    with (place / "b_E.txt").open("a") as file:
        file.write("\n".join(own) + "\n")
    refused = mma(*usual, "--bootstrap", 0)
    assert refused.exit_code == 2
    assert "--allow-missing" in refused.stderr
    done = mma(*usual, "--bootstrap", 0, "--allow-missing", "--fuse", "average", "--out", place / "fused.tsv")
    assert done.exit_code == 1
    assert "not scored by all" in done.stderr
    failed = read_scores(place / "fused.tsv").failed
    assert failed["error"].to_list() == ["b_E: no sound"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", 3], "--steps with score files"),
        (["--interpolate", "x", "y"], "score files and --interpolate"),
        (["--out", "fused.tsv"], "--out without a fusion"),
        (["--dev", "a.txt"], "--dev without a fusion"),
        (["--fuse", "logistic"], "without dev scores"),
        (["--fuse", "average", "--dev", "a.txt"], "1 files of dev scores for 2 systems"),
        (["--dev-protocol", "dev.txt"], "--dev-protocol without"),
        (["--cluster", "codec"], "without a codec"),
    ],
)
def test_an_option_that_would_not_be_read_is_refused(usual, more, message):
    done = mma(*usual, *more)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_mixture_does_not_read_the_options_of_scores(place):
    done = mma("--interpolate", "x", "y", "--corpus", "asvspoof2019-la", "--root", place / "LA", "--fuse", "average")
    assert done.exit_code == 2
    assert "--fuse with --interpolate" in done.stderr
    assert mma("--corpus", "asvspoof2019-la").exit_code == 2


def test_the_same_file_twice_differs_in_nothing(place):
    done = mma(*[place / "a_E.txt"] * 2, "--corpus", "asvspoof2019-la", "--root", place / "LA", "--json")
    found = json.loads(done.stdout)["pairs"][0]["pooled"]["differences"]["eer"]
    assert (found["value"], found["ci"], found["p"]) == (0, [0, 0], 1)
