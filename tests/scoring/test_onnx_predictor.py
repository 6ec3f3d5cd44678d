"""Scoring with an ONNX file: the scores of PyTorch, and no PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from moe_mamba_asv.errors import AudioError, CheckpointError, ConfigError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, file_sha256, save_checkpoint
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import Input, inputs_from_paths
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor, find_onnx_model
from moe_mamba_asv.scoring.predictor import Predictor
from stand_in import RATE_HZ, clip

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CONFIG = SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=2)
#: What an installation for scoring alone would not have.
ABSENT = ("torch", "lightning", "pytorch_lightning", "transformers", "peft", "safetensors", "onnx", "onnxscript")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One detector as safetensors and as ONNX."""
    from moe_mamba_asv.models.onnx_export import export_onnx

    torch.manual_seed(0)
    network = build_model(CONFIG)
    with torch.no_grad():
        network(torch.randn(4, 16_000))  # batch norm that has seen something
    checkpoint = Checkpoint("test", CONFIG, network.state_dict(), {"partition": "dev"}, 16_000)
    folder = tmp_path_factory.mktemp("model")
    save_checkpoint(checkpoint, folder / "m.safetensors")
    digest = file_sha256(folder / "m.safetensors")
    export_onnx(checkpoint, folder / "m.onnx", source_sha256=digest)
    return folder / "m.safetensors", folder / "m.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips from 0.2 to 2 s, and a file that is no sound."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(7):
        generator = np.random.default_rng(number)
        sound = clip(generator, spoof=number % 2 == 1, duration_s=float(generator.uniform(0.2, 2)))
        soundfile.write(folder / f"clip{number}.wav", sound, RATE_HZ)
    (folder / "text.flac").write_text("this is no sound")
    return folder


@pytest.fixture(scope="module")
def clips(folder: Path) -> list[Input]:
    return inputs_from_paths([folder])


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_files_have_the_scores_of_pytorch(models: tuple[Path, Path], clips: list[Input], batch_size: int) -> None:
    wanted = score_files(clips, Predictor(models[0]), batch_size=3)
    found = score_files(clips, OnnxPredictor(models[1], threads=1), batch_size=batch_size)
    assert found.failed.equals(wanted.failed)
    assert found.scored["utterance"].equals(wanted.scored["utterance"])
    scores = found.scored["score"].to_numpy()
    np.testing.assert_allclose(scores, wanted.scored["score"].to_numpy(), rtol=0, atol=1e-4)
    assert len(set(scores)) == 7


def test_a_score_file_says_which_weights_and_what_ran_them(models: tuple[Path, Path]) -> None:
    torchs, ours = Predictor(models[0]).header, OnnxPredictor(models[1]).header
    assert {name: ours[name] for name in ("model", "crop", "direction")} == {
        name: torchs[name] for name in ("model", "crop", "direction")
    }
    assert ours["source_sha256"] == torchs["model_sha256"]
    assert ours["model_sha256"] == file_sha256(models[1])
    assert ours["runtime"] == "onnx float32"


def test_it_crops_and_refuses_as_the_other_does(models: tuple[Path, Path]) -> None:
    predictors = Predictor(models[0]), OnnxPredictor(models[1])
    sound = clip(np.random.default_rng(0), spoof=False, duration_s=0.3)
    first, second = (predictor.crop(sound) for predictor in predictors)
    np.testing.assert_array_equal(first, second)
    assert [predictor.num_samples for predictor in predictors] == [16_000, 16_000]
    with pytest.raises(AudioError, match="digital silence"):
        predictors[1].crop(0 * sound)


_SCORE_WITHOUT = """
import json, sys
for name in {absent!r}:
    sys.modules[name] = None  # an import of it fails, as if it were not installed
from pathlib import Path
from moe_mamba_asv.scoring.allocator import keep_freed_blocks
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor, find_onnx_model
from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
keep_freed_blocks()
path = find_onnx_model(sys.argv[1])
assert calibration_beside(path) is None
table = score_files(inputs_from_paths([Path(sys.argv[2])]), OnnxPredictor(path), batch_size=3)
print(json.dumps(table.scored.select("utterance", "score").rows()))
"""


def test_no_pytorch_is_needed(models: tuple[Path, Path], folder: Path, clips: list[Input]) -> None:
    program = _SCORE_WITHOUT.format(absent=ABSENT)
    words = [sys.executable, "-c", program, str(models[1]), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = dict(json.loads(done.stdout))
    wanted = dict(score_files(clips, Predictor(models[0]), batch_size=3).scored.select("utterance", "score").rows())
    assert found == pytest.approx(wanted, rel=0, abs=1e-4)


def _with_header(path: Path, out: Path, **changed: object) -> Path:
    """A copy whose header says something else; None takes an entry away."""
    graph = onnx.load(path)
    (entry,) = graph.metadata_props
    header = json.loads(entry.value) | changed
    entry.value = json.dumps({key: value for key, value in header.items() if value is not None})
    onnx.save(graph, out)
    return out


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"score_direction": "higher = spoof"}, "score_direction"),
        ({"label_order": ["bonafide", "spoof"]}, "label_order"),
        ({"format": 2}, "format"),
        ({"num_samples": 0}, "num_samples"),
        ({"recipe": None}, "recipe"),
        ({"threshold": 0.5}, "threshold"),
    ],
)
def test_a_header_that_says_something_else_is_refused(
    models: tuple[Path, Path], tmp_path: Path, changed: dict[str, object], reason: str
) -> None:
    with pytest.raises(CheckpointError, match=reason):
        OnnxPredictor(_with_header(models[1], tmp_path / "m.onnx", **changed))


def test_a_file_that_is_not_ours_is_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    foreign, cut, text = (tmp_path / f"{name}.onnx" for name in ("foreign", "cut", "text"))
    graph = onnx.load(models[1])
    del graph.metadata_props[:]
    onnx.save(graph, foreign)
    with pytest.raises(CheckpointError, match=r"foreign.onnx.*mma export --format onnx"):
        OnnxPredictor(foreign)
    cut.write_bytes(models[1].read_bytes()[:1_000])
    text.write_text("no graph")
    for path in (cut, text, tmp_path / "nowhere.onnx"):
        with pytest.raises(CheckpointError, match=path.name):
            OnnxPredictor(path)


def test_without_onnx_runtime_it_says_what_to_install(
    models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"moe-mamba-asv\[onnx\]"):
        OnnxPredictor(models[1])


def test_a_model_is_a_file_or_a_folder(models: tuple[Path, Path], tmp_path: Path) -> None:
    assert find_onnx_model(str(models[1])) == models[1]
    (tmp_path / "model.onnx").touch()
    assert find_onnx_model(str(tmp_path)) == tmp_path / "model.onnx"
    (tmp_path / "best.onnx").touch()
    assert find_onnx_model(str(tmp_path)) == tmp_path / "best.onnx"
    for name in (str(models[0]), str(tmp_path / "nowhere")):
        with pytest.raises(CheckpointError, match="mma export"):
            find_onnx_model(name)
