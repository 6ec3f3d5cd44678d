"""`mma score` with a calibration beside the model: two more columns, and the scores as they were."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import typer
from typer.testing import CliRunner

from moe_mamba_asv.cli import score as command
from moe_mamba_asv.evaluation.calibration.calibration import Calibration, write_calibration
from moe_mamba_asv.evaluation.calibration.maps import LogisticMap
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, file_sha256, save_checkpoint
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scores import read_scores
from stand_in import RATE_HZ, clip

app = typer.Typer(name="mma")
command.register(app)
app.callback()(lambda: None)


def mma(*arguments):
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A run folder with a model, and a folder with three clips and one file that is no sound."""
    torch.manual_seed(0)
    config = SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=2)
    network = build_model(config)
    with torch.no_grad():
        network(torch.randn(4, 16_000))  # batch norm that has seen something
    (tmp_path / "run").mkdir()
    save_checkpoint(
        Checkpoint("test", config, network.state_dict(), {"partition": "dev"}, 16_000),
        tmp_path / "run" / "best.safetensors",
    )
    (tmp_path / "clips").mkdir()
    for number in range(3):
        sound = clip(np.random.default_rng(number), spoof=number == 1, duration_s=1.0)
        soundfile.write(tmp_path / "clips" / f"{number}.wav", sound, RATE_HZ)
    (tmp_path / "clips" / "bad.wav").write_text("this is no sound")
    return tmp_path


def calibrate(place: Path, name: str = "best.calibration.json", digest: str | None = None) -> None:
    figures = {"eer": 0.1, "cllr_before": 1.0, "cllr_after": 0.5, "min_cllr": 0.4, "failed": 0, "system": "test"}
    learned = {"corpus": "made", "partition": "dev", "bonafide": 10, "spoof": 10}
    digest = file_sha256(place / "run" / "best.safetensors") if digest is None else digest
    parameters = LogisticMap(slope=2.0, offset=0.5, prior=0.5)
    found = Calibration(parameters=parameters, model_sha256=digest, **figures, **learned)
    write_calibration(found, place / "run" / name)


def scored(place: Path, *options):
    result = mma(place / "clips", "--model", place / "run", "--out", place / "s.tsv", *options)
    assert result.exit_code == 1, result.output  # one file is no sound
    return read_scores(place / "s.tsv"), result


@pytest.mark.parametrize("name", ["best.calibration.json", "calibration.json"])
def test_the_file_says_what_each_score_means_and_keeps_it(place: Path, name: str) -> None:
    plain, _ = scored(place)
    assert not plain.is_calibrated
    assert set(plain.header) & {"prior", "calibration", "calibrated_on"} == set()
    calibrate(place, name)
    found, _ = scored(place)
    assert found.frame["score"].equals(plain.frame["score"])
    assert {key: found.header[key] for key in ("calibration", "calibrated_on", "prior")} == {
        "calibration": "logistic",
        "calibrated_on": "made dev",
        "prior": "0.5",
    }
    good = found.scored
    llr = 2 * good["score"].to_numpy() + 0.5
    np.testing.assert_allclose(good["llr"].to_numpy(), llr, rtol=1e-7)
    np.testing.assert_allclose(good["probability"].to_numpy(), 1 / (1 + np.exp(-llr)), rtol=1e-7)
    assert found.failed.select("llr", "probability").row(0) == (None, None)


def test_the_prior_moves_the_probability_alone_and_json_has_both(place: Path) -> None:
    calibrate(place)
    half, _ = scored(place)
    rare, result = scored(place, "--prior", 0.01, "--json")
    assert rare.frame["llr"].equals(half.frame["llr"])
    odds = rare.scored["probability"] / (1 - rare.scored["probability"])
    expected = half.scored["probability"] / (1 - half.scored["probability"]) / 99
    np.testing.assert_allclose(odds.to_numpy(), expected.to_numpy(), rtol=1e-6)
    rows = json.loads(result.stdout)
    assert rows["header"]["prior"] == "0.01"
    assert rows["scores"][0]["probability"] == pytest.approx(rare.frame["probability"][0])


def test_a_person_sees_the_probability_and_other_forms_the_score_alone(place: Path) -> None:
    (place / "clips" / "bad.wav").unlink()
    bare = mma(place / "clips", "--model", place / "run").stdout.splitlines()
    calibrate(place)
    shown = mma(place / "clips", "--model", place / "run").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [line.split() for line in bare]
    assert all(0 <= float(line.split()[2]) <= 1 for line in shown)
    done = mma(place / "clips", "--model", place / "run", "--out", place / "s.txt", "--form", "asvspoof2021")
    assert done.exit_code == 0, done.output
    assert {len(line.split()) for line in (place / "s.txt").read_text().splitlines()} == {2}


def test_a_calibration_of_other_weights_is_left_out_loudly(place: Path) -> None:
    calibrate(place, digest="0" * 64)
    found, result = scored(place)
    assert not found.is_calibrated
    assert "not calibrated" in result.stderr


@pytest.mark.parametrize(
    ("prior", "calibrated", "said"), [("0.1", False, "mma calibrate"), ("1.5", True, "prior of 1.5")]
)
def test_a_prior_that_nothing_reads_or_that_is_none_stops_before_scoring(
    place: Path, prior: str, calibrated: bool, said: str
) -> None:
    if calibrated:
        calibrate(place)
    result = mma(place / "clips", "--model", place / "run", "--out", place / "s.tsv", "--prior", prior)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not list(place.glob("s.tsv*"))
