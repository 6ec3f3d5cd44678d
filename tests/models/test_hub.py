"""Models by name: files, folders, and a hub whose cache lies on disk; nothing here asks a network."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import CheckpointError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.models.hub import HUB_MODEL, Card, find_model, from_pretrained, push_to_hub
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig

REVISION = "0123456789abcdef0123456789abcdef01234567"
CARD = Card(
    "A small detector", "Apache-2.0", "minispoof, three voices.", "It knows three attacks and must judge nobody."
)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = SpectralLcnnConfig(channels=(2, 2, 2, 2))
    path = tmp_path / "somewhere" / "model.safetensors"
    path.parent.mkdir()
    selection = {"partition": "dev", "metric": "eer", "value": 0.1}
    save_checkpoint(Checkpoint.of(build_model(config), "lcnn-small", config, selection), path)
    return path


@pytest.fixture
def hub(tmp_path: Path, model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout in which the hub's client keeps what it has fetched; the client may not ask beyond it."""
    cache = tmp_path / "hub"
    repository = cache / "models--lab--detector"
    for folder in (repository / "refs", repository / "blobs", repository / "snapshots" / REVISION):
        folder.mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    (repository / "snapshots" / REVISION / HUB_MODEL).write_bytes(model_file.read_bytes())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def _score(name: str) -> torch.Tensor:
    return from_pretrained(name)(torch.linspace(-1, 1, 16_000)[None]).score


@pytest.mark.usefixtures("hub")
def test_a_file_a_folder_and_a_hub_name_are_the_same_model(model_file: Path) -> None:
    wanted = _score(str(model_file))
    for name in (str(model_file.parent), "hf://lab/detector", f"hf://lab/detector@{REVISION}"):
        assert torch.equal(_score(name), wanted)
    assert not from_pretrained("hf://lab/detector").training


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["hf://lab/other", "hf://lab/detector@v9", "hf://not a name"])
def test_a_hub_that_cannot_be_reached_says_how_to_do_without(name: str) -> None:
    with pytest.raises(CheckpointError, match="name its folder"):
        find_model(name)


def test_a_folder_without_a_model_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"hf://owner/name"):
        find_model(str(tmp_path))


class StandInApi:
    """Takes what would be published."""

    def __init__(self) -> None:
        self.repositories: list[tuple[str, bool]] = []
        self.files: dict[str, bytes] = {}

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self.repositories.append((repository, private))

    def create_commit(self, repository: str, operations: list[Any], *, commit_message: str) -> Any:
        assert commit_message == "lcnn-small"
        for operation in operations:
            with operation.as_file() as file:
                self.files[operation.path_in_repo] = file.read()
        return type("Commit", (), {"commit_url": f"https://hub.test/{repository}/commit/1"})()


def test_what_is_published_comes_back_with_its_card(model_file: Path, tmp_path: Path) -> None:
    api = StandInApi()
    address = push_to_hub(model_file, "lab/detector", CARD, api=api)  # pyright: ignore[reportArgumentType]
    assert address.endswith("lab/detector/commit/1")
    assert api.repositories == [("lab/detector", True)]
    fetched = tmp_path / "fetched"
    fetched.mkdir()
    (fetched / HUB_MODEL).write_bytes(api.files[HUB_MODEL])
    assert torch.equal(_score(str(fetched)), _score(str(model_file)))
    card = api.files["README.md"].decode()
    for said in (
        "license: Apache-2.0",
        CARD.limits,
        CARD.training_data,
        '"value": 0.1',
        "higher = bona fide",
        "64,600",
    ):
        assert said in card


@pytest.mark.usefixtures("hub")
def test_pull_writes_the_model_that_the_hub_has(model_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "fetched.safetensors"
    result = CliRunner().invoke(app, ["hub", "pull", "lab/detector", "--out", str(out), "--json"])
    assert result.exit_code == 0, result.output
    assert out.read_bytes() == model_file.read_bytes()
    assert json.loads(result.stdout)["recipe"] == "lcnn-small"
    assert CliRunner().invoke(app, ["hub", "pull", "lab/other", "--out", str(out)]).exit_code == 2


def test_push_shows_its_card_before_anything_is_published(model_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = ["--title", CARD.title, "--licence", CARD.licence, "--training-data", CARD.training_data]
    words = ["hub", "push", str(model_file), "lab/detector", *card, "--limits", CARD.limits]
    api = StandInApi()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: api)
    shown = CliRunner().invoke(app, [*words, "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert api.repositories == []
    pushed = CliRunner().invoke(app, words)
    assert pushed.exit_code == 0, pushed.output
    assert api.repositories == [("lab/detector", True)]
    assert shown.stdout.strip() == api.files["README.md"].decode().strip()
