"""Between two models: the ends are the models, the best lies where dev says, and eval is refused."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from made_corpus import write_folder_corpus
from made_run import made_run
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.training.interpolation import sweep_shares
from moe_mamba_asv.training.train import train
from moe_mamba_asv.types import Partition


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def ends(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("ends")
    first = train(made_run(root, folder / "a", max_steps=8))
    tuned = made_run(root, folder / "b", f"training.finetune.start={first}", max_steps=8, seed=1)
    return str(first.parent), str(train(tuned))


def test_the_ends_are_the_models_themselves(root: Path, ends: tuple[str, str], tmp_path: Path) -> None:
    dev = read_corpus("folder", root=root, partition=Partition.DEV)
    points = sweep_shares(*ends, [dev], [0.0, 0.5, 1.0], out=tmp_path / "mixed.safetensors")
    selected = [load_checkpoint(Path(ends[0]) / "best.safetensors"), load_checkpoint(Path(ends[1]))]
    assert points[0].dev_eer == selected[0].selection["value"]
    assert points[2].dev_eer == selected[1].selection["value"]
    assert all(low <= point.dev_eer <= high for point in points for low, high in [point.interval])
    mixed = load_checkpoint(tmp_path / "mixed.safetensors")
    best = min(points, key=lambda point: point.dev_eer)
    assert mixed.selection["value"] == best.dev_eer
    assert mixed.selection["partition"] == "dev"
    for name, value in mixed.state.items():
        if value.is_floating_point():
            wanted = torch.lerp(selected[0].state[name], selected[1].state[name], best.share)
            torch.testing.assert_close(value, wanted)


def test_eval_judges_no_mixture(root: Path, ends: tuple[str, str]) -> None:
    with pytest.raises(TrainingError, match="dev alone"):
        sweep_shares(*ends, [read_corpus("folder", root=root, partition=Partition.EVAL)], [0.5])


def test_the_command(root: Path, ends: tuple[str, str], tmp_path: Path) -> None:
    place = ["--corpus", "folder", "--root", str(root), "--steps", "2"]
    out = tmp_path / "mixed.safetensors"
    done = CliRunner().invoke(app, ["compare", "--interpolate", *ends, *place, "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert [point["share"] for point in said["points"]] == [0, 0.5, 1]
    assert said["clips"] == 16
    assert out.is_file()
    shown = CliRunner().invoke(app, ["compare", "--interpolate", *ends, *place])
    assert "0.50:" in shown.stdout
    assert "lowest" in shown.stdout
