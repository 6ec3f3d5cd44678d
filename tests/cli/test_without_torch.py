"""Installations without PyTorch, and without polars too: what must work does, and the rest says what to install."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import torch

from made_corpus import write_folder_corpus
from made_recording import write_recording
from moe_mamba_asv.evaluation.calibration.calibration import Calibration, write_calibration
from moe_mamba_asv.evaluation.calibration.maps import LogisticMap
from moe_mamba_asv.evaluation.calibration.table import calibrate_table
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, file_sha256, save_checkpoint
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scores import read_scores, write_scores
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import inputs_from_paths
from moe_mamba_asv.scoring.long_audio import score_long
from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor
from moe_mamba_asv.scoring.predictor import Predictor
from stand_in import RATE_HZ, clip

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

#: Module and distribution of what the extras `onnx` and `evaluate` do not bring.
ABSENT = {
    "torch": "torch", "lightning": "lightning", "pytorch_lightning": "pytorch-lightning",
    "torchmetrics": "torchmetrics", "transformers": "transformers", "peft": "peft", "accelerate": "accelerate",
    "tensorboard": "tensorboard", "safetensors": "safetensors", "huggingface_hub": "huggingface-hub",
    "scipy": "scipy", "pyworld": "pyworld-prebuilt", "av": "av", "onnx": "onnx", "onnxscript": "onnxscript",
    "onnx_ir": "onnx-ir", "fastapi": "fastapi", "ray": "ray", "mambapy": "mambapy",
    "pyroomacoustics": "pyroomacoustics", "sklearn": "scikit-learn", "pandas": "pandas", "pyarrow": "pyarrow",
}  # fmt: skip
#: And of what `evaluate` brings.
OF_EVALUATE = {
    "polars": "polars", "matplotlib": "matplotlib", "PIL": "pillow", "jinja2": "jinja2", "fontTools": "fonttools",
    "kiwisolver": "kiwisolver", "contourpy": "contourpy",
}  # fmt: skip
#: Python runs this before anything else, in the processes that a command starts too.
_HOOK = """
import importlib.metadata, sys
ABSENT = {absent!r}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Absent())
version = importlib.metadata.version
def installed(name):
    if name in ABSENT.values():
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)
importlib.metadata.version = installed
"""
_HELPS = """
import json, sys, typer.main
from moe_mamba_asv.cli.main import app
from typer.testing import CliRunner
def walk(command, words):
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, [*words, name])
answers = {}
for words in walk(typer.main.get_command(app), []):
    answers[" ".join(words)] = CliRunner().invoke(app, [*words, "--help"]).exit_code
print(json.dumps([answers, sorted({"torch", "numpy", "polars", "matplotlib"} & set(sys.modules))]))
"""
_MMA = "from moe_mamba_asv.cli.main import main; main()"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a process that finds none of `ABSENT`."""
    return _without(ABSENT, tmp_path_factory.mktemp("hook"))


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a process that has the extra `onnx` alone."""
    return _without(ABSENT | OF_EVALUATE, tmp_path_factory.mktemp("lean"))


def _without(absent: dict[str, str], folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(_HOOK.format(absent=absent))
    return os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "300"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small detector as ONNX, with its safetensors file beside it."""
    from moe_mamba_asv.models.onnx_export import export_onnx

    torch.manual_seed(0)
    config = SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=2)
    network = build_model(config)
    with torch.no_grad():
        network(torch.randn(4, 16_000))  # batch norm that has seen something
    checkpoint = Checkpoint("test", config, network.state_dict(), {"partition": "dev"}, 16_000)
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    save_checkpoint(checkpoint, path.with_suffix(".safetensors"))
    export_onnx(checkpoint, path, source_sha256=file_sha256(path.with_suffix(".safetensors")))
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"), clips=10)


@pytest.fixture(scope="module")
def scores(model: Path, corpus: Path, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A score file that was made without PyTorch."""
    out = tmp_path_factory.mktemp("scores") / "eval.tsv"
    place = ("--corpus", "folder", "--root", corpus, "--partition", "eval")
    run(environment, "score", *place, "--model", model, "--runtime", "onnx", "--out", out)
    return out


def run(environment: dict[str, str], *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    program = [sys.executable, "-c", _MMA, *map(str, words)]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_every_help_prints_and_imports_nothing_heavy(environment: dict[str, str]) -> None:
    program = [sys.executable, "-c", _HELPS]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=True, timeout=120)
    codes, heavy = json.loads(done.stdout)
    assert {"", "score", "train", "corpus build", "bench scan", "recipes show"} <= codes.keys()
    assert set(codes.values()) == {0}, codes
    assert heavy == []


def test_scores_are_those_of_pytorch(scores: Path, model: Path, corpus: Path) -> None:
    found = dict(read_scores(scores).scored.select("utterance", "score").iter_rows())
    files = inputs_from_paths([corpus / "eval"])
    wanted = score_files(files, Predictor(model.with_suffix(".safetensors")), batch_size=8).scored["score"]
    assert len(found) == 20
    np.testing.assert_allclose(sorted(found.values()), sorted(wanted), rtol=0, atol=1e-4)
    assert len(set(found.values())) == 20


def test_score_files_are_judged(scores: Path, corpus: Path, environment: dict[str, str], tmp_path: Path) -> None:
    place = ("--corpus", "folder", "--root", corpus)
    judged = json.loads(run(environment, "evaluate", scores, *place, "--json").stdout)
    assert judged["counts"] == judged["counts"] | {"bonafide": 10, "spoof": 10}
    reversed_file = tmp_path / "reversed.tsv"
    rows = read_scores(scores).scored.select("utterance", "score").iter_rows()
    reversed_file.write_text("".join(f"{name} {-score!r}\n" for name, score in rows))
    compared = json.loads(run(environment, "compare", scores, reversed_file, *place, "--json").stdout)
    assert compared["pairs"][0]["correlation"]["pooled"]["spearman"] == pytest.approx(-1)
    run(environment, "report", scores, *place, "--bootstrap", 0, "--lang", "both", "--out", tmp_path / "report")
    assert "<svg" in (tmp_path / "report" / "report.zh.html").read_text()


def test_a_corpus_is_checked_and_audited(corpus: Path, environment: dict[str, str]) -> None:
    said = json.loads(run(environment, "corpus", "check", "folder", "--root", corpus, "--shortcuts", "--json").stdout)
    assert said["utterances"] == 60
    assert {row["feature"] for row in said["shortcuts"]["rows"]} >= {"codec traces", "duration"}


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("recipes", "torch"),
        ("recipes show aasist", "torch"),
        ("train lcnn-small --corpus folder --root {corpus} --out {out}", "torch"),
        ("pretrain microsoft/wavlm-large --speech {corpus} --out {out}", "torch"),
        ("compare --interpolate a b --corpus folder --root {corpus} --out {out}", "torch"),
        ("profile {model} --corpus folder --root {corpus}", "torch"),
        ("diagnose {model} --corpus folder --root {corpus}", "torch"),
        ("export --model {model} --out {out}.safetensors", "torch"),
        ("hub pull hf://owner/name --out {out}", "torch"),
        ("score {corpus} --model {model} --long", "torch"),
        ("score {corpus} --model {model} --engine ray --out {out}", "torch"),
        ("bench scan", "torch"),
        ("bench train lcnn-small --corpus folder --root {corpus}", "torch"),
        ("bench scan-training", "torch"),
        ("bench augment", "torch"),
        ("bench scoring", "torch"),
        ("serve --model a={model}", "serve"),
        ("corpus build minispoof --out {out}", "minispoof"),
        ("corpus attacks", "minispoof"),
    ],
)
def test_what_is_missing_is_said_with_the_command_that_mends_it(
    words: str, extra: str, environment: dict[str, str], model: Path, corpus: Path, tmp_path: Path
) -> None:
    typed = [word.format(model=model, corpus=corpus, out=tmp_path / "out") for word in words.split()]
    said = run(environment, *typed, code=2).stderr
    assert f"pip install 'moe-mamba-asv[{extra}]'" in said
    assert not (tmp_path / "out").exists()


def test_scoring_with_pytorch_names_the_runtime_that_does_without(
    environment: dict[str, str], model: Path, corpus: Path
) -> None:
    said = run(environment, "score", corpus, "--model", model.with_suffix(".safetensors"), code=2).stderr
    assert "pip install 'moe-mamba-asv[torch]'" in said
    assert "--runtime onnx" in said


def test_mp3_needs_no_ffmpeg_and_m4a_says_what_brings_it(
    environment: dict[str, str], model: Path, tmp_path: Path
) -> None:
    sound = clip(np.random.default_rng(0), spoof=False, duration_s=1.0)
    soundfile.write(tmp_path / "a.mp3", sound, RATE_HZ)
    soundfile.write(tmp_path / "b.ogg", sound, RATE_HZ)
    with av.open(str(tmp_path / "c.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        frame = av.AudioFrame.from_ndarray((sound * 32_767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        container.mux([*stream.encode(frame), *stream.encode(None)])
    done = run(environment, "score", tmp_path, "--model", model, "--runtime", "onnx", code=1)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["a", "b"]
    assert "c.m4a cannot be decoded" in done.stderr
    assert "pip install 'moe-mamba-asv[media]'" in done.stderr


def test_doctor_lists_the_extras_and_finds_nothing_wrong(environment: dict[str, str]) -> None:
    said = json.loads(run(environment, "doctor", "--json").stdout)
    assert said["scan"] is None
    assert all(package["version"] for package in said["packages"])
    optional = {row["package"]: row for row in said["optional"]}
    assert optional["torch"]["remedy"] == "pip install 'moe-mamba-asv[torch]'"
    assert optional["onnxruntime"]["version"]
    assert not any(row["broken"] for row in optional.values())
    assert "'moe-mamba-asv[torch]'" in run(environment, "doctor").stdout


# With the extra `onnx` alone: no polars, and nothing that draws.


@pytest.fixture(scope="module")
def calibrated(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Calibration]:
    """The model in a folder of its own, with a calibration that was learned on its scores."""
    place = tmp_path_factory.mktemp("calibrated") / "c.onnx"
    place.write_bytes(model.read_bytes())
    calibration = Calibration(
        parameters=LogisticMap(slope=2, offset=-0.5, prior=0.5), corpus="folder", partition="dev", bonafide=10,
        spoof=10, failed=0, system="test", model_sha256=file_sha256(place), eer=0.1, cllr_before=1, cllr_after=0.5,
        min_cllr=0.4,
    )  # fmt: skip
    write_calibration(calibration, place.with_suffix(".calibration.json"))
    return place, calibration


def test_a_folder_is_scored_and_calibrated_without_polars(
    lean: dict[str, str], calibrated: tuple[Path, Calibration], corpus: Path, tmp_path: Path
) -> None:
    model, calibration = calibrated
    folder = tmp_path / "calls"
    shutil.copytree(corpus / "eval", folder)
    soundfile.write(folder / "z.wav", np.zeros(RATE_HZ), RATE_HZ)  # silence has no score
    words = ("score", folder, "--model", model, "--runtime", "onnx", "--out", tmp_path / "s.tsv", "--prior", 0.2)
    said = json.loads(run(lean, *words, "--json", code=1).stdout)
    wanted = score_files(inputs_from_paths([folder]), OnnxPredictor(model), batch_size=8)
    wanted = calibrate_table(wanted, calibration, prior=0.2)
    assert said["scores"] == wanted.frame.to_dicts()
    assert [row["error"] is None for row in said["scores"]] == [True] * 20 + [False]
    write_scores(tmp_path / "wanted.tsv", wanted)
    assert (tmp_path / "s.tsv").read_bytes() == (tmp_path / "wanted.tsv").read_bytes()
    assert read_scores(tmp_path / "s.tsv").frame["llr"].null_count() == 1


def test_a_recording_is_answered_in_words_without_polars(
    lean: dict[str, str], calibrated: tuple[Path, Calibration], tmp_path: Path
) -> None:
    model, calibration = calibrated
    path = write_recording(tmp_path / "call.flac", 3)
    words = ("score", path, "--model", model, "--runtime", "onnx")
    (name, score, probability, llr, verdict) = run(lean, *words).stdout.strip().split("\t")
    assert name == "call"
    assert float(llr) == pytest.approx(2 * float(score) - 0.5, abs=1e-3)
    (answer,) = json.loads(run(lean, *words, "--json").stdout)["answers"]
    assert answer["probability"] == pytest.approx(float(calibration.probability([answer["score"]], 0.5)[0]))
    assert (answer["verdict"], f"{answer['probability']:.4f}") == (verdict, probability)


def test_a_long_recording_has_the_timeline_of_pytorch_without_polars(
    lean: dict[str, str], model: Path, tmp_path: Path
) -> None:
    path = write_recording(tmp_path / "call.wav", 12, spoofed=range(6, 9), silent=range(3, 6))
    words = ("score", path, "--long", "--model", model, "--runtime", "onnx", "--out", tmp_path / "t.tsv", "--json")
    said = json.loads(run(lean, *words).stdout)
    assert said["header"]["runtime"] == "onnx float32"
    found = said["recordings"]["call"]["windows"]
    wanted = score_long(Predictor(model.with_suffix(".safetensors")), path).windows
    assert [row["no_vote"] for row in found] == [window.no_vote for window in wanted]
    assert {row["no_vote"] for row in found} == {None, "too little speech"}
    both = [(row["score"], window.score) for row, window in zip(found, wanted, strict=True) if window.score is not None]
    ours, theirs = zip(*both, strict=True)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert (tmp_path / "t.tsv").read_text().startswith("# mma-timeline 1\n")


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        ("evaluate {out}.tsv --corpus folder --root {corpus}", "evaluate"),
        ("compare {out}.tsv {out}.tsv --corpus folder --root {corpus}", "evaluate"),
        ("calibrate {out}.tsv --corpus folder --root {corpus} --out {out}", "evaluate"),
        ("report {out}.tsv --corpus folder --root {corpus} --out {out}", "evaluate"),
        ("corpus list", "evaluate"),
        ("corpus check folder --root {corpus}", "evaluate"),
        ("score {corpus}/list.parquet --model {model} --runtime onnx --out {out}", "evaluate"),
        ("score --corpus folder --root {corpus} --model {model} --runtime onnx --out {out}", "evaluate"),
        ("score {sound} --model {model} --runtime onnx --long --timeline {out}", "evaluate"),
        ("score --corpus folder --root {corpus} --model {model} --out {out}", "torch"),
        ("train lcnn-small --corpus folder --root {corpus} --out {out}", "torch"),
        ("profile {model} --corpus folder --root {corpus}", "torch"),
        ("compare --interpolate a b --corpus folder --root {corpus} --out {out}", "torch"),
        ("bench train lcnn-small --corpus folder --root {corpus}", "torch"),
        ("corpus build minispoof --out {out}", "minispoof"),
    ],
)
def test_without_polars_the_extra_that_is_named_is_enough(
    words: str, extra: str, lean: dict[str, str], model: Path, corpus: Path, tmp_path: Path
) -> None:
    sound = sorted(corpus.rglob("*.flac"))[0]
    (corpus / "list.parquet").touch()
    typed = [part.format(model=model, corpus=corpus, sound=sound, out=tmp_path / "out") for part in words.split()]
    said = run(lean, *typed, code=2).stderr
    assert f"pip install 'moe-mamba-asv[{extra}]'" in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_doctor_finds_nothing_wrong_without_polars(lean: dict[str, str]) -> None:
    said = json.loads(run(lean, "doctor", "--json").stdout)
    optional = {row["package"]: row for row in said["optional"]}
    for package in ("polars", "matplotlib"):
        assert optional[package]["remedy"] == "pip install 'moe-mamba-asv[evaluate]'"
        assert not optional[package]["broken"]
