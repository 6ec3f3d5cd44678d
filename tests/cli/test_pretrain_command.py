"""`mma pretrain` as a person types it."""

import inspect
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from made_speech import write_speech
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.cli.pretrain import pretrain
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.training.pretrain.config import PretrainConfig
from tiny_ssl import save_tiny

SMALL = ["--batch-size", 2, "--crop-s", 1, "--clusters", 5, "--held-out", 0.2, "--steps", 3]


def mma(*words: object, code: int = 0):
    """Run a command; answers what typer's runner saw."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def test_from_a_folder_of_speech_to_a_source(tmp_path: Path) -> None:
    source, speech = save_tiny(tmp_path / "source", "whisper"), write_speech(tmp_path / "speech")
    place = ["--speech", speech, "--out", tmp_path / "run", "--mix", 0.5, "--trainable", 1, 3]
    found = json.loads(mma("pretrain", source, *place, *SMALL, "--json").stdout)
    assert found["model"] == str(tmp_path / "run")
    assert (found["steps"], found["skipped"], found["unreadable"]) == (3, 0, {})
    assert set(found["before"]) == {"loss", "accuracy", "majority"}
    SslFrontend(SslConfig(source=found["model"]))
    asked = json.loads((tmp_path / "run" / "run.json").read_text())["asked"]
    assert (asked["trainable"], asked["mixing"]["probability"], asked["seed"]) == ([1, 3], 0.5, 0)
    mma("pretrain", source, *place, *SMALL, code=2)
    said = mma("pretrain", source, *place, *SMALL, "--resume")
    assert f"→ {tmp_path / 'run'}" in said.stdout
    assert f"{found['after']['loss']:.3f}" in said.stdout


def test_a_bad_file_is_named_and_the_exit_code_is_one(tmp_path: Path) -> None:
    source, speech = save_tiny(tmp_path / "source", "wavlm-post"), write_speech(tmp_path / "speech")
    (speech / "bad.wav").write_text("no sound")
    result = mma("pretrain", source, "--speech", speech, "--out", tmp_path / "run", *SMALL, "--json", code=1)
    assert list(json.loads(result.stdout)["unreadable"]) == ["bad.wav"]
    assert "bad.wav" in result.stderr
    assert (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["nowhere"],
        ["nowhere", "--from-scratch", "--layer", "2"],
        ["nowhere", "--held-out", "0.9"],
        ["nowhere", "--steps", 0],
    ],
)
def test_wrong_use_ends_with_two_and_a_reason(words: list[object], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    speech = write_speech(tmp_path / "speech")
    result = mma("pretrain", tmp_path / "nowhere", *words, "--speech", speech, "--out", "run", code=2)
    assert "error" in result.output.lower()
    assert "Traceback" not in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["speech"]


def test_help_has_an_example() -> None:
    assert "mma pretrain openai/whisper-tiny.en" in mma("pretrain", "--help").output


def test_the_options_start_where_the_configuration_does() -> None:
    config = PretrainConfig()
    options = {name: one.default for name, one in inspect.signature(pretrain).parameters.items()}
    named_alike = options.keys() & PretrainConfig.model_fields.keys()
    assert len(named_alike) >= 9
    assert {name: options[name] for name in named_alike} == {name: getattr(config, name) for name in named_alike}
    assert (options["held_out"], options["every"]) == (config.held_out_share, config.every_steps)
    assert options["mix"] == 0
    assert config.mixing is None
