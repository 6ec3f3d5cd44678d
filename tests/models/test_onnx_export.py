"""Models as ONNX: the scores of PyTorch, at any batch size, and at any length where the network takes any."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from typer.testing import CliRunner

from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models import onnx_export, onnx_trace
from moe_mamba_asv.models.build import ModelConfig, build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, file_sha256, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.onnx_export import OnnxReport, export_onnx, made_batches
from moe_mamba_asv.models.onnx_header import ENTRY, OnnxHeader
from moe_mamba_asv.models.output import LABEL_ORDER
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scores import DIRECTION

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

Tiny = Callable[[str], Path]
SAMPLES = 8_000
_SINCNET = {"kind": "sincnet", "num_filters": 12, "channels": [4, 4, 4, 4]}


def _countermeasure(frontends: list[dict[str, Any]], backend: str, fusion: str | None = None) -> dict[str, Any]:
    return {
        "kind": "countermeasure",
        "frontends": frontends,
        "width": 16,
        "fusion": None if fusion is None else {"kind": fusion},
        "backend": {"kind": backend, "num_blocks": 1},
        "pooling": {"kind": "attentive"},
        "head": {"kind": "linear"},
    }


def _config(family: str, tiny: Tiny) -> ModelConfig:
    match family:
        case "aasist":
            section = {"kind": "aasist", "encoder_width": 6, "graph_width": 4}
        case "lcnn":
            section = {"kind": "spectral-lcnn", "channels": [2, 4, 4, 4]}
        case "sincnet-mamba":
            section = _countermeasure([_SINCNET], "bimamba")
        case "sincnet-experts":
            section = _countermeasure([_SINCNET], "moe-bimamba")
        case "whisper-sincnet":
            whisper = {"kind": "ssl", "source": str(tiny("whisper")), "layers": "weighted"}
            section = _countermeasure([whisper, _SINCNET], "bimamba", "squeeze-excitation")
        case "discriminant":
            whisper = {"kind": "ssl", "source": str(tiny("whisper")), "layers": "last", "num_layers": 2}
            parts = {"backend": {"kind": "none"}, "pooling": {"kind": "statistics"}, "head": {"kind": "discriminant"}}
            section = {**_countermeasure([whisper], "none"), **parts, "width": None, "dropout": 0}
        case "causal":
            section = _countermeasure([{**_SINCNET, "causal": True}], "mamba")
        case _:
            wavlm = {"kind": "ssl", "source": str(tiny("wavlm-stable")), "layers": [1, 2]}
            section = _countermeasure([{"kind": "cascade", "ssl": wavlm, "width": 8}], "bimamba")
    return TypeAdapter(ModelConfig).validate_python(section)


def _sound(generator: np.random.Generator, num_samples: int) -> np.ndarray:
    """A tone in swelling noise, soft or loud: as unlike the next one as what the runtimes are compared on."""
    level, tone_hz, swell_hz = generator.uniform((0.01, 100, 1), (0.3, 1500, 8))
    time = np.arange(num_samples) / 16_000
    noise = generator.standard_normal(num_samples) * np.sin(2 * np.pi * swell_hz * time)
    return (level * (np.sin(2 * np.pi * tone_hz * time) + noise)).astype(np.float32)


def _checkpoint(config: ModelConfig, num_samples: int = SAMPLES) -> Checkpoint:
    """A network whose norms have seen something, or which has counted something, and whose scores spread."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    network = build_model(config).train()
    with torch.no_grad():
        for _ in range(3):
            network(0.1 * torch.randn(4, num_samples))
            sounds = np.stack([_sound(generator, num_samples) for _ in range(8)])
            network.observe(network.eval()(torch.from_numpy(sounds)).embedding, torch.arange(8) % 2)
            network.train()
    return Checkpoint.of(network, "test", config, {"partition": "dev"}, num_samples)


@dataclass(frozen=True)
class Exported:
    """A model in both forms."""

    checkpoint: Checkpoint
    report: OnnxReport
    path: Path

    @property
    def tolerance(self) -> float:
        """Of a score; what a discriminant makes of a few clips enlarges the last bits of an embedding."""
        return 5e-5 if self.path.stem == "discriminant" else 1e-5

    def scores(self, waveforms: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Of PyTorch and of ONNX Runtime."""
        with torch.inference_mode():
            wanted = self.checkpoint.build()(waveforms).score.numpy()
        session = onnxruntime.InferenceSession(self.path)
        return wanted, session.run(["scores"], {"waveforms": waveforms.numpy()})[0]


FAMILIES = {
    "aasist": None,
    "lcnn": 1_600,
    "sincnet-mamba": 1_600,
    "sincnet-experts": 1_600,
    "whisper-sincnet": 1_600,
    "wavlm-cascade": 1_600,
    "causal": 1_600,
    "discriminant": 1_600,
}


@pytest.fixture(scope="module", params=FAMILIES)
def exported(request: pytest.FixtureRequest, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    checkpoint = _checkpoint(_config(request.param, tiny))
    path = tmp_path_factory.mktemp("onnx") / f"{request.param}.onnx"
    return Exported(checkpoint, export_onnx(checkpoint, path, source_sha256="abc"), path)


@pytest.mark.parametrize("clips", [1, 3, 11])
def test_any_number_of_clips_has_the_scores_of_pytorch(exported: Exported, clips: int) -> None:
    wanted, found = exported.scores(0.2 * torch.randn(clips, SAMPLES, generator=torch.manual_seed(1)))
    assert found.shape == (clips,)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=exported.tolerance)
    assert clips == 1 or wanted.std() > 1e-4  # or a constant would pass


def test_lengths_are_open_where_the_network_takes_any(exported: Exported) -> None:
    assert exported.report.shortest_samples == FAMILIES[exported.path.stem]
    generator = torch.manual_seed(2)
    for length in (1_600, 7_999, 12_345) if exported.report.shortest_samples else (7_999,):
        waveforms = 0.2 * torch.randn(2, length, generator=generator)
        if exported.report.shortest_samples is None:
            with pytest.raises(Exception, match="Expected: 8000"):
                exported.scores(waveforms)
        else:
            wanted, found = exported.scores(waveforms)
            np.testing.assert_allclose(found, wanted, rtol=0, atol=exported.tolerance)


def test_quiet_audio_and_silence_keep_their_floors(exported: Exported) -> None:
    """An optimiser of the exporter took the floor under a power, 1e-8, for nothing, and left it out."""
    quiet = 1e-5 * torch.randn(2, SAMPLES, generator=torch.manual_seed(3))
    quiet[1, 2_000:] = 0
    wanted, found = exported.scores(quiet)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)


def test_the_report_says_what_was_compared(exported: Exported) -> None:
    report = exported.report
    assert 0 < report.largest_difference < 1e-4
    assert report.largest_difference_int8 is None
    assert report.bytes == exported.path.stat().st_size
    assert {clips for clips, _ in report.shapes} >= {1, 3}
    assert len({samples for _, samples in report.shapes}) == (1 if report.shortest_samples is None else 3)


def test_the_file_says_what_a_score_depends_on(exported: Exported) -> None:
    metadata = onnxruntime.InferenceSession(exported.path).get_modelmeta().custom_metadata_map
    header = OnnxHeader.model_validate_json(metadata[ENTRY])
    assert (header.recipe, header.num_samples, header.precision) == ("test", SAMPLES, "float32")
    assert (header.label_order, header.score_direction) == (LABEL_ORDER, DIRECTION)
    assert header.source_sha256 == "abc"
    assert header.selection == {"partition": "dev"}
    assert {"torch", "onnx", "onnxruntime", "moe-mamba-asv"} <= header.versions.keys()
    assert header.largest_difference == exported.report.largest_difference


def test_the_model_itself_stays_as_it_is(tiny: Tiny) -> None:
    model = _checkpoint(_config("sincnet-mamba", tiny)).build()
    modules, before = list(map(type, model.modules())), model(torch.ones(2, SAMPLES)).score
    copy = onnx_trace._spelled_out(model, any_length=True)
    assert list(map(type, copy.modules())) != modules
    assert list(map(type, model.modules())) == modules
    torch.testing.assert_close(model(torch.ones(2, SAMPLES)).score, before, rtol=0, atol=0)


@pytest.fixture(scope="module")
def lcnn() -> Checkpoint:
    return _checkpoint(SpectralLcnnConfig(channels=(2, 4, 4, 4)))


def test_int8_reaches_every_product_with_weights_and_no_convolution(exported: Exported) -> None:
    graph = onnx_export._quantised(onnx.load(exported.path)).graph
    weights = {tensor.name for tensor in graph.initializer if len(tensor.dims) > 1}
    kinds = Counter(node.op_type for node in graph.node)
    assert kinds["MatMulInteger"] > 0
    assert kinds["ConvInteger"] == 0
    products = (node for node in graph.node if node.op_type in {"MatMul", "Gemm"})
    assert not [node.name for node in products if node.input[1] in weights]  # on the left: Whisper's mel filters


def test_int8_says_how_far_it_is_off(lcnn: Checkpoint, tmp_path: Path) -> None:
    report = export_onnx(lcnn, tmp_path / "int8.onnx", source_sha256="", int8=True)
    assert report.precision == "int8"
    assert report.largest_difference_int8 is not None
    assert report.largest_difference < 1e-5 < report.largest_difference_int8 < 0.1
    session = onnxruntime.InferenceSession(tmp_path / "int8.onnx")
    differences = []
    for batch in made_batches(SAMPLES, report.shortest_samples):
        with torch.inference_mode():
            wanted = lcnn.build()(torch.from_numpy(batch)).score.numpy()
        differences.append(np.abs(session.run(None, {"waveforms": batch})[0] - wanted).max())
    assert max(differences) == pytest.approx(report.largest_difference_int8, rel=1e-3)
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata[ENTRY])["largest_difference"] == report.largest_difference_int8


def test_a_graph_that_scores_otherwise_is_not_written(
    lcnn: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(model: Any, batches: Any) -> Any:
        return [scores + 2e-4 for scores in honest(model, batches)]

    honest = onnx_export._torch_scores
    monkeypatch.setattr(onnx_export, "_torch_scores", off_by_a_little)
    with pytest.raises(CheckpointError, match=r"2\.0e-04 off PyTorch"):
        export_onnx(lcnn, tmp_path / "m.onnx", source_sha256="")
    assert not list(tmp_path.iterdir())


def test_scores_that_are_no_numbers_are_not_written(lcnn: Checkpoint, tmp_path: Path) -> None:
    broken = replace(
        lcnn, state={name: w * torch.nan if w.is_floating_point() else w for name, w in lcnn.state.items()}
    )
    with pytest.raises(CheckpointError, match="inf off PyTorch"):
        export_onnx(broken, tmp_path / "m.onnx", source_sha256="")
    assert not list(tmp_path.iterdir())


def test_what_onnx_cannot_say_is_refused_with_a_reason(
    lcnn: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn

    monkeypatch.setattr(SpectralLcnn, "forward", lambda self, waveforms: waveforms.numpy())
    monkeypatch.setattr(onnx_export, "_torch_scores", lambda model, batches: [])
    with pytest.raises(ConfigError, match="cannot be said in ONNX"):
        export_onnx(lcnn, tmp_path / "m.onnx", source_sha256="")


def test_a_model_larger_than_a_file_may_be_is_refused_at_once(
    lcnn: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "_MOST_BYTES", 1_000)
    with pytest.raises(CheckpointError, match="what one ONNX file can hold"):
        export_onnx(lcnn, tmp_path / "m.onnx", source_sha256="")


def test_made_clips_are_the_same_each_time_and_as_long_as_asked() -> None:
    first, again = made_batches(SAMPLES, 1_600), made_batches(SAMPLES, 1_600)
    assert [batch.shape for batch in first] == [(1, 8_000), (3, 8_000), (2, 9_601), (2, 1_600)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert [batch.shape for batch in made_batches(SAMPLES, None)] == [(1, 8_000), (3, 8_000)]


def test_the_command_writes_and_reports(lcnn: Checkpoint, tmp_path: Path) -> None:
    source, out = tmp_path / "m.safetensors", tmp_path / "m.onnx"
    save_checkpoint(lcnn, source)
    words = ["export", "--model", source, "--format", "onnx", "--int8", "--out", out]
    result = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["parity"]["largest_difference"] < 1e-4
    assert answer["parity"]["largest_difference_int8"] > 0
    metadata = onnxruntime.InferenceSession(out).get_modelmeta().custom_metadata_map
    assert json.loads(metadata[ENTRY])["source_sha256"] == file_sha256(source)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--format", "onnx", "--out", "m.safetensors"], "ending in .onnx"),
        (["--out", "m.onnx"], "ending in"),
        (["--int8", "--out", "m.safetensors"], "--format onnx"),
        (["--format", "onnx", "--full", "--out", "m.onnx"], "--full"),
    ],
)
def test_options_that_do_not_fit_are_refused(words: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["export", "--model", "nothing", *words], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 2
    assert reason in result.output


@pytest.mark.shared
def test_official_aasist_scores_the_same_in_onnx(shared: Path, tmp_path: Path) -> None:
    report = export_onnx(load_checkpoint(shared / "weights" / "AASIST.pth"), tmp_path / "a.onnx", source_sha256="")
    assert report.largest_difference < 1e-5
    assert report.shapes == ((1, 64_600), (3, 64_600))
