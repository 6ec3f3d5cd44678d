"""``--compile``: the compiled model learns what the plain one does."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from made_corpus import write_folder_corpus
from made_run import made_run
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.training.train import train

RATE = 1e-3


def _trained(root: Path, out: Path, rate: float, *, compiled: bool) -> dict[str, Tensor]:
    """Weights after two steps, without dropout: compiled code draws other masks from the same seed."""
    changes = (f"training.learning_rate={rate}", f"training.min_learning_rate={rate}", "model.dropout=0")
    run = made_run(root, out, *changes, accelerator="cpu", max_steps=2, compiled=compiled)
    return dict(load_checkpoint(train(run)).state)


# PyTorch's compiler imports parts of PyTorch that PyTorch calls old.
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
# The spectrogram is complex: it stays as it is, between what is compiled.
@pytest.mark.filterwarnings("ignore:.*complex operators.*:UserWarning")
@pytest.mark.skipif(
    shutil.which(os.environ.get("CXX", "g++")) is None,
    reason="PyTorch compiles for the CPU with g++, or $CXX: not here",
)
def test_a_compiled_model_learns_what_the_plain_one_does(tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus", clips=2)
    torch._dynamo.reset()
    counters.clear()
    start = _trained(root, tmp_path / "start", 1e-12, compiled=False)
    plain = _trained(root, tmp_path / "plain", RATE, compiled=False)
    assert counters["stats"]["unique_graphs"] == 0
    quick = _trained(root, tmp_path / "quick", RATE, compiled=True)
    assert counters["stats"]["unique_graphs"] > 0
    assert start.keys() == plain.keys() == quick.keys()
    for name, tensor in plain.items():
        assert torch.allclose(tensor, quick[name], rtol=0, atol=1e-5), name
    assert (start["head.linear.weight"] - quick["head.linear.weight"]).abs().max() > RATE
