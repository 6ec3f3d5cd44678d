"""ONNX files on a hub: published beside their model, fetched without PyTorch; the hub's cache lies on disk."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.hub import HUB_MODEL, HUB_ONNX, Card, push_to_hub
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor, find_onnx_model
from stand_in import RATE_HZ, clip

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

REVISION = "0123456789abcdef0123456789abcdef01234567"
CARD = Card("A small detector", "Apache-2.0", "made tones", "It must judge nobody.")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file with its ONNX file beside it."""
    path = tmp_path_factory.mktemp("run") / "best.safetensors"
    predictor_of(detector(config()), path)
    words = ["export", "--model", str(path), "--format", "onnx", "--out", str(path.with_suffix(".onnx"))]
    assert CliRunner().invoke(app, words).exit_code == 0
    return path


@pytest.fixture(scope="module")
def cache(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layout in which the hub's client keeps what it has fetched."""
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / "models--lab--detector"
    for folder in (repository / "refs", repository / "blobs", repository / "snapshots" / REVISION):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    (repository / "snapshots" / REVISION / HUB_ONNX).write_bytes(model.with_suffix(".onnx").read_bytes())
    return cache


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client may not ask beyond its cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("hub")
def test_a_hub_name_is_the_onnx_file_of_its_repository(model: Path) -> None:
    for name in ("hf://lab/detector", f"hf://lab/detector@{REVISION}"):
        assert OnnxPredictor(find_onnx_model(name)).header == OnnxPredictor(model.with_suffix(".onnx")).header


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["hf://lab/other", "hf://lab/detector@v9", "hf://not a name"])
def test_a_hub_that_cannot_be_reached_says_how_to_do_without(name: str) -> None:
    with pytest.raises(CheckpointError, match=r"model\.onnx.*name its folder"):
        find_onnx_model(name)


_SCORE = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
from moe_mamba_asv.cli.main import app
app(["score", {sound!r}, "--model", "hf://lab/detector", "--runtime", "onnx", "--json"])
"""


def _score_without(absent: list[str], cache: Path, sound: Path) -> subprocess.CompletedProcess[str]:
    program = _SCORE.format(absent=absent, sound=str(sound))
    environment = {
        "HF_HUB_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "PATH": "",
        "COLUMNS": "300",
        "OMP_NUM_THREADS": "1",
    }
    words = [sys.executable, "-c", program]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=200)


def test_fetching_needs_the_client_and_no_pytorch(model: Path, cache: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", clip(np.random.default_rng(0), spoof=False, duration_s=0.7), RATE_HZ)
    torch = ["torch", "lightning", "transformers", "peft", "safetensors"]
    done = _score_without(torch, cache, tmp_path / "a.wav")
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)["scores"][0]["score"]
    words = ["score", str(tmp_path / "a.wav"), "--model", str(model), "--json"]
    wanted = json.loads(CliRunner().invoke(app, words).stdout)["scores"][0]["score"]
    assert score == pytest.approx(wanted, rel=0, abs=1e-4)
    refused = _score_without([*torch, "huggingface_hub"], cache, tmp_path / "a.wav")
    assert refused.returncode == 2
    assert "huggingface_hub, which is not installed" in refused.stderr
    assert "pip install huggingface-hub, or copy model.onnx" in refused.stderr
    assert "Traceback" not in refused.stderr


class _StandInApi:
    """Takes what would be published."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
        assert private
        assert exist_ok

    def create_commit(self, repository: str, operations: list[Any], *, commit_message: str) -> Any:
        for operation in operations:
            with operation.as_file() as file:
                self.files[operation.path_in_repo] = file.read()
        return type("Commit", (), {"commit_url": f"https://hub.test/{repository}/{len(commit_message)}"})()


def test_the_onnx_file_beside_a_model_is_published_with_it(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = _StandInApi()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: api)
    words = ["hub", "push", str(model), "lab/detector", "--title", CARD.title, "--licence", CARD.licence]
    words += ["--training-data", CARD.training_data, "--limits", CARD.limits]
    shown = CliRunner().invoke(app, [*words, "--dry-run"])
    assert CliRunner().invoke(app, words).exit_code == 0
    assert api.files.keys() == {HUB_MODEL, HUB_ONNX, "README.md"}
    assert api.files[HUB_ONNX] == model.with_suffix(".onnx").read_bytes()
    assert api.files[HUB_MODEL] == model.read_bytes()
    card = api.files["README.md"].decode()
    assert "--model hf://lab/detector --runtime onnx" in card
    assert shown.stdout.strip() == card.strip()


def test_an_onnx_file_of_another_model_is_not_published(model: Path, tmp_path: Path) -> None:
    other = tmp_path / "best.safetensors"
    predictor_of(detector(config(), seed=1), other)
    api = _StandInApi()
    push_to_hub(other, "lab/detector", CARD, api=api)  # pyright: ignore[reportArgumentType]
    assert api.files.keys() == {HUB_MODEL, "README.md"}
    assert "onnx" not in api.files.pop("README.md").decode()
    (tmp_path / "best.onnx").write_bytes(model.with_suffix(".onnx").read_bytes())
    api.files.clear()
    with pytest.raises(CheckpointError, match="exported from another model"):
        push_to_hub(other, "lab/detector", CARD, api=api)  # pyright: ignore[reportArgumentType]
    assert api.files == {}
