"""Model files: what goes in comes out, and what does not fit is named."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.aasist.model import AasistConfig
from moe_mamba_asv.models.build import ModelConfig, build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig

SMALL = SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=1)


def _checkpoint(config: ModelConfig = SMALL) -> Checkpoint:
    torch.manual_seed(0)
    state = build_model(config).state_dict()
    return Checkpoint("test", config, state, {"partition": "dev", "metric": "eer", "value": 0.1})


@pytest.mark.parametrize("config", [SMALL, AasistConfig(encoder_width=8, graph_width=4)])
def test_save_and_load_are_bit_equal(tmp_path: Path, config: ModelConfig) -> None:
    before = _checkpoint(config)
    save_checkpoint(before, tmp_path / "m.safetensors")
    after = load_checkpoint(tmp_path / "m.safetensors")
    assert (after.recipe, after.config, after.selection) == (before.recipe, before.config, before.selection)
    waveforms = torch.randn(2, 64_600)
    with torch.inference_mode():
        assert torch.equal(before.build()(waveforms).score, after.build()(waveforms).score)


def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path) -> None:
    save_checkpoint(_checkpoint(), tmp_path / "a.safetensors")
    save_checkpoint(_checkpoint(), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_the_header_says_all_that_a_score_depends_on(tmp_path: Path) -> None:
    save_checkpoint(_checkpoint(), tmp_path / "m.safetensors")
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        header = json.loads(file.metadata()["moe-mamba-asv"])
    assert header["label_order"] == ["spoof", "bonafide"]
    assert header["score_direction"] == "higher = bona fide"
    assert header["selection"]["partition"] == "dev"
    assert header["crop"]["num_samples"] == 64_600


def test_weights_that_do_not_fit_are_listed() -> None:
    checkpoint = _checkpoint()
    state = dict(checkpoint.state)
    state["intruder"] = torch.zeros(1)
    state["head.linear.bias"] = torch.zeros(3)
    del state["head.linear.weight"]
    with pytest.raises(CheckpointError) as caught:
        replace(checkpoint, state=state).build()
    message = str(caught.value)
    assert "+ intruder" in message
    assert "- head.linear.weight" in message
    assert "! head.linear.bias is (3,), wanted (2,)" in message


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 100])
@pytest.mark.parametrize("name", ["m.safetensors", "m.pth"])
def test_files_that_are_no_models_are_named(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(tmp_path / name)


def test_a_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    class Intruder:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"pos_S": Intruder()}, tmp_path / "m.pth")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "m.pth")
    assert not (tmp_path / "ran").exists()


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="format None"):
        load_checkpoint(tmp_path / "m.safetensors")
