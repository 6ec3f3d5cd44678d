"""Settings from a file, the environment and options; models from allowed places alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from moe_mamba_asv.cli.main import app as mma
from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.serving.cores import Cores
from moe_mamba_asv.serving.served_model import ServedModel
from moe_mamba_asv.serving.settings import Settings, load_settings, named_models


def test_options_go_over_the_environment_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text("models: {a: a.pth}\nport: 1\nmax_files: 2\nbatch_size: 3\napi_keys: [k1]\n")
    environment = {"MMA_SERVE_PORT": "10", "MMA_SERVE_MAX_FILES": "20", "HOME": "/", "MMA_SERVE_API_KEYS": "k2, k3"}
    found = load_settings(file, environment, port=100, host=None, models={})
    assert (found.port, found.max_files, found.batch_size) == (100, 20, 3)
    assert [key.get_secret_value() for key in found.api_keys] == ["k2", "k3"]
    assert found.models == {"a": "a.pth"}
    assert found.host == "127.0.0.1"


def test_without_a_name_the_detector_of_the_package_is_served() -> None:
    assert load_settings(None, {}, models={}).models == {"shipped": "shipped"}


def test_models_come_from_the_environment_in_their_order() -> None:
    found = load_settings(environment={"MMA_SERVE_MODELS": "b=x/b.safetensors,a=hf://lab/a=1"})
    assert list(found.models.items()) == [("b", "x/b.safetensors"), ("a", "hf://lab/a=1")]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MMA_SERVE_MAX_UPLOAD": "3"}, "max_upload_mb"),
        ({"MMA_SERVE_PORT": "many", "MMA_SERVE_MODELS": "a=a"}, "port"),
        ({"MMA_SERVE_MODELS": "nameless"}, "NAME=FILE"),
    ],
)
def test_what_makes_no_sense_is_named(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_settings(environment=environment)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for text in ("- a\n", "a: [", "portt: 1\n"):
        (tmp_path / "serve.yaml").write_text(text)
        with pytest.raises(ConfigError):
            load_settings(tmp_path / "serve.yaml")


def test_a_name_twice_is_no_choice() -> None:
    with pytest.raises(ConfigError, match="each name once"):
        named_models(["a=x", "a=y"])


def test_keys_are_not_printed() -> None:
    settings = Settings(models={"a": "a"}, api_keys=("open-sesame",))  # pyright: ignore[reportArgumentType]
    assert "sesame" not in f"{settings!r} {settings.model_dump_json()}"
    with pytest.raises(ConfigError) as caught:
        load_settings(None, {"MMA_SERVE_MODELS": "a=a"}, api_keys=["open-sesame", 3])
    assert "sesame" not in str(caught.value)


def test_models_come_from_allowed_places(models: Path, tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "link.safetensors").symlink_to(models / "bare.safetensors")
    settings = Settings(models={"a": "a"}, model_folders=(allowed,))
    for place in (models / "bare.safetensors", allowed / "link.safetensors", allowed / ".." / allowed.name / "no.pth"):
        with pytest.raises(CheckpointError):
            ServedModel("a", str(place), settings, Cores())
    inside = Settings(models={"a": "a"}, model_folders=(allowed, models))
    ServedModel("a", str(models / "bare.safetensors"), inside, Cores()).batcher.close()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    for words in (["serve", "--model", "a"], ["serve", "--model", f"a={tmp_path / 'none.pth'}"]):
        result = CliRunner().invoke(mma, words)
        assert result.exit_code == 2
        assert "error:" in result.output
