"""What an ONNX file says beside a score is what the model says that it was exported from; and never what is not its."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from made_corpus import write_folder_corpus
from made_detectors import config, detector, predictor_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import CheckpointError, ScoreError
from moe_mamba_asv.evaluation.calibration.calibration import Calibration, read_calibration
from moe_mamba_asv.models.checkpoint import file_sha256
from moe_mamba_asv.models.onnx_header import ENTRY, read_header
from moe_mamba_asv.scoring.onnx_knowledge import onnx_calibration, onnx_usual_facts
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


def _mma(*words: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def _calibration(digest: str, slope: float = 2.0, offset: float = 0.3) -> str:
    figures = {"eer": 0.1, "cllr_before": 0.9, "cllr_after": 0.5, "min_cllr": 0.4, "failed": 0, "system": "made"}
    learned = {"corpus": "folder", "partition": "dev", "bonafide": 50, "spoof": 50, "model_sha256": digest}
    parameters = {"kind": "logistic", "slope": slope, "offset": offset, "prior": 0.5}
    return Calibration.model_validate({"parameters": parameters, **figures, **learned}).model_dump_json()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with calibration and profile, its corpus, and its ONNX files elsewhere."""
    root = tmp_path_factory.mktemp("place")
    corpus, model = write_folder_corpus(root / "corpus", clips=24), root / "run" / "m.safetensors"
    model.parent.mkdir()
    predictor_of(detector(config()), model)
    (root / "run" / "m.calibration.json").write_text(_calibration(file_sha256(model)))
    _mma("profile", model, "--corpus", "folder", "--root", corpus)
    _mma("export", "--model", model, "--format", "onnx", "--out", root / "float.onnx")
    return root


@pytest.fixture(scope="module")
def int8(place: Path) -> tuple[Path, Result]:
    """The same in 8 bits, and what was said of it."""
    words = ("export", "--model", place / "run" / "m.safetensors", "--format", "onnx", "--int8")
    return place / "int8.onnx", _mma(*words, "--out", place / "int8.onnx")


@pytest.fixture(scope="module")
def recordings(place: Path) -> list[Path]:
    """Known ones, and one of them soft and long."""
    known = sorted((place / "corpus" / "eval" / "bonafide").glob("*.flac"))[:3]
    known += sorted((place / "corpus" / "eval" / "spoof").rglob("*.flac"))[:3]
    sound, rate_hz = soundfile.read(known[0])
    soundfile.write(place / "quiet.wav", np.tile(sound, 20) * 0.001, rate_hz)
    return [*known, place / "quiet.wav"]


def _answers(model: Path, recordings: list[Path], *words: Any) -> list[dict[str, Any]]:
    return json.loads(_mma("score", *recordings, "--model", model, *words, "--json").stdout)["answers"]


def test_an_onnx_file_answers_what_the_model_answers(place: Path, recordings: list[Path]) -> None:
    wanted = _answers(place / "run" / "m.safetensors", recordings, "--prior", 0.3)
    found = _answers(place / "float.onnx", recordings, "--prior", 0.3, "--runtime", "onnx")
    assert len(wanted) == 7
    assert len({one["llr"] for one in wanted}) >= 6  # or a constant would pass
    for ours, theirs in zip(found, wanted, strict=True):
        for name in ("score", "llr", "probability"):
            assert ours[name] == pytest.approx(theirs[name], rel=0, abs=1e-4)
        assert [ours[name] for name in ("utterance", "verdict", "prior")] == [
            theirs[name] for name in ("utterance", "verdict", "prior")
        ]
        assert ours["unlike"] == [reason for reason in theirs["unlike"] if not reason.startswith("farther")]
    assert any(reason.startswith("level_dbfs") for reason in found[-1]["unlike"])


def test_what_it_rests_on_is_said(place: Path, recordings: list[Path]) -> None:
    said = _mma("score", *recordings, "--model", place / "float.onnx", "--runtime", "onnx").stderr
    assert "chosen on dev of folder: eer 0.5" in said
    assert "calibrated on dev of folder, EER 10.00%" in said
    assert "an ONNX file answers no embedding" in said


def test_a_score_file_is_calibrated_too(place: Path, recordings: list[Path], tmp_path: Path) -> None:
    _mma("score", *recordings, "--model", place / "float.onnx", "--runtime", "onnx", "--out", tmp_path / "s.tsv")
    text = (tmp_path / "s.tsv").read_text()
    assert "# calibrated_on: folder dev" in text
    assert f"# source_sha256: {file_sha256(place / 'run' / 'm.safetensors')}" in text


def test_int8_carries_no_calibration_of_other_scores_and_says_so(
    place: Path, int8: tuple[Path, Result], recordings: list[Path], tmp_path: Path
) -> None:
    path, told = int8
    assert "not calibrated: scores in int8 are others" in told.stderr
    header = read_header(path)
    assert header.calibration is None
    assert header.usual_facts is not None  # they are of recordings, and no score's
    assert not header.has_parity
    bare = _answers(path, recordings, "--runtime", "onnx")
    assert {one["probability"] for one in bare} == {None}
    # Beside the model under its name, its calibration is not taken either, with the digest or without.
    for digest in (header.source_sha256, ""):
        (tmp_path / "m.onnx").write_bytes(path.read_bytes())
        (tmp_path / "m.calibration.json").write_text(_calibration(digest))
        with pytest.raises(ScoreError, match=r"int8.*mma calibrate"):
            onnx_calibration(OnnxPredictor(tmp_path / "m.onnx"), tmp_path / "m.onnx")
    said = _mma("score", *recordings, "--model", tmp_path / "m.onnx", "--runtime", "onnx").stderr
    assert "not calibrated: " in said
    # One that was learned on its own scores is.
    (tmp_path / "m.calibration.json").write_text(_calibration(file_sha256(path)))
    assert onnx_calibration(OnnxPredictor(tmp_path / "m.onnx"), tmp_path / "m.onnx") is not None


def test_beside_the_model_its_newer_calibration_is_taken(place: Path, tmp_path: Path) -> None:
    source = file_sha256(place / "run" / "m.safetensors")
    path = tmp_path / "m.onnx"
    path.write_bytes((place / "float.onnx").read_bytes())
    predictor = OnnxPredictor(path)
    carried = onnx_calibration(predictor, path)
    assert carried is not None
    assert carried.model_sha256 == file_sha256(path)
    (tmp_path / "calibration.json").write_text(_calibration("0" * 64, slope=9))  # of another model of the folder
    assert onnx_calibration(predictor, path) == carried
    (tmp_path / "m.calibration.json").write_text(_calibration(source, slope=5))
    newer = onnx_calibration(predictor, path)
    assert newer is not None
    assert newer.llr([1.0])[0] == pytest.approx(5.3)
    (tmp_path / "m.calibration.json").write_text(_calibration("0" * 64))
    with pytest.raises(ScoreError, match="mma calibrate"):
        onnx_calibration(predictor, path)


def test_a_calibration_that_was_put_into_the_wrong_file_is_refused(place: Path, tmp_path: Path) -> None:
    for change in ({"calibration": json.loads(_calibration("0" * 64))}, {"largest_difference": 0.02}):
        graph = onnx.load(place / "float.onnx")
        (entry,) = graph.metadata_props
        assert entry.key == ENTRY
        entry.value = json.dumps(json.loads(entry.value) | change)
        onnx.save(graph, tmp_path / "w.onnx")
        with pytest.raises(CheckpointError, match="another model"):
            onnx_calibration(OnnxPredictor(tmp_path / "w.onnx"), tmp_path / "w.onnx")
    entry.value = json.dumps(json.loads(entry.value) | {"usual_facts": {"facts": 1}})
    onnx.save(graph, tmp_path / "w.onnx")
    with pytest.raises(CheckpointError, match="mma export it again"):
        onnx_usual_facts(OnnxPredictor(tmp_path / "w.onnx"), tmp_path / "w.onnx")


def test_a_model_without_either_exports_without(tmp_path: Path) -> None:
    model = tmp_path / "m.safetensors"
    predictor_of(detector(config()), model)
    (tmp_path / "m.calibration.json").write_text(_calibration("0" * 64))
    told = _mma("export", "--model", model, "--format", "onnx", "--out", tmp_path / "x.onnx")
    assert "not calibrated: " in told.stderr
    header = read_header(tmp_path / "x.onnx")
    assert (header.calibration, header.usual_facts) == (None, None)
    # Nobody wrote down whose scores taught it: it is this model's for `mma score`, and for the file.
    (tmp_path / "m.calibration.json").write_text(_calibration(""))
    _mma("export", "--model", model, "--format", "onnx", "--out", tmp_path / "y.onnx")
    found = onnx_calibration(OnnxPredictor(tmp_path / "y.onnx"), tmp_path / "y.onnx")
    assert found is not None
    assert found.parameters == read_calibration(tmp_path / "m.calibration.json").parameters
