"""The detector in the package: small, whole, calibrated, told of honestly, and what `mma score FILE` uses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.minispoof.speech import embedded_speech
from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
from moe_mamba_asv.models.checkpoint import file_sha256, load_checkpoint
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.models.shipped import SHIPPED, shipped_model
from moe_mamba_asv.scoring.domain import profile_beside

MOST_BYTES = 15_000_000


@pytest.fixture(scope="module")
def recording() -> Path:
    return embedded_speech().clips[0].path


def test_it_is_small_and_needs_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = shipped_model()
    assert sum(file.stat().st_size for file in path.parent.iterdir()) < MOST_BYTES
    checkpoint = load_checkpoint(path)
    assert checkpoint.omitted is None  # every weight is in the file
    assert all(one.isfinite().all() for one in checkpoint.build().state_dict().values())


def test_calibration_and_profile_are_of_these_weights() -> None:
    path = shipped_model()
    calibration = calibration_beside(path)
    assert calibration is not None
    assert calibration.partition == "dev"
    assert profile_beside(path, file_sha256(path)) is not None
    assert find_model(SHIPPED) == path


def test_the_first_command_of_a_new_user_gets_a_whole_answer(recording: Path) -> None:
    result = CliRunner().invoke(app, ["score", str(recording), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (answer,) = json.loads(result.stdout)["answers"]
    assert answer["verdict"] in {"bona fide", "spoof", "undecided"}
    assert 0 <= answer["probability"] <= 1
    assert answer["unlike"] is not None


def test_the_card_names_what_it_rests_on_and_what_it_does_not_know() -> None:
    card = (shipped_model().parent / "README.md").read_text()
    checkpoint, calibration = load_checkpoint(shipped_model()), calibration_beside(shipped_model())
    assert calibration is not None
    assert f"{100 * calibration.eer:.1f} %" in card
    assert f"{100 * checkpoint.selection['value']:.1f} %" in card
    for said in ("openai/whisper-tiny.en", "MIT", "LibriSpeech", "Limits", "higher = bona fide"):
        assert said in card


def test_half_the_bytes_and_nearly_the_same_score(tmp_path: Path, recording: Path) -> None:
    """`mma export --half`, with which it was written."""
    whole = tmp_path / "whole.safetensors"
    predictor_of(detector(config()), whole)
    runner = CliRunner()
    for form in (["--half"], []):
        out = tmp_path / f"{len(form)}.safetensors"
        assert runner.invoke(app, ["export", "--model", str(whole), "--out", str(out), *form]).exit_code == 0
    scores = [
        json.loads(runner.invoke(app, ["score", str(recording), "--model", str(tmp_path / name), "--json"]).stdout)
        for name in ("1.safetensors", "0.safetensors")
    ]
    half, full = (one["scores"][0]["score"] for one in scores)
    assert half != full
    assert half == pytest.approx(full, abs=0.05)
    assert (tmp_path / "1.safetensors").stat().st_size < 0.8 * (tmp_path / "0.safetensors").stat().st_size
    refused = runner.invoke(app, ["export", "--model", str(whole), "--out", "a.onnx", "--format", "onnx", "--half"])
    assert refused.exit_code == 2
