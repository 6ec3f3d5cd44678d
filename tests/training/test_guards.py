"""Numbers that are not finite: found, named, survived or stopped, as configured."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from made_corpus import write_folder_corpus
from made_run import made_run
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn
from moe_mamba_asv.training.data.clips import Clip, Clips
from moe_mamba_asv.training.guards import NormMemory, name_culprit
from moe_mamba_asv.training.train import train


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"))


def _events(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def _spoil(monkeypatch: pytest.MonkeyPatch, is_spoilt: Callable[[int], bool]) -> None:
    """A NaN in the clips of some steps of training."""
    original = Clips.__getitem__

    def spoilt(self: Clips, position) -> Clip:
        clip = original(self, position)
        if self.seed is not None and is_spoilt(position[0]):
            clip.waveform[100] = math.nan
        return clip

    monkeypatch.setattr(Clips, "__getitem__", spoilt)


def _weights_are_finite(path: Path) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in load_checkpoint(path).state.values())


def test_a_batch_with_a_nan_is_skipped_counted_and_named(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, lambda step: step in {2, 9})
    run = made_run(root, tmp_path / "run")
    assert _weights_are_finite(train(run))
    assert _weights_are_finite(tmp_path / "run" / "last.safetensors")  # running statistics of norms among them
    events = _events(run.out)
    assert [(event["step"], event["action"], event["culprit"]) for event in events] == [
        (3, "skipped", "the waveforms"),
        (10, "skipped", "the waveforms"),
    ]
    utterances = set(run.train[0].table["utterance"])
    assert all(len(event["utterances"]) == 4 and set(event["utterances"]) <= utterances for event in events)
    assert (run.out / "metrics.csv").read_text().splitlines()[-1].endswith("2.0,0.0")


def test_too_many_in_a_row_roll_back_and_at_last_stop(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, lambda step: step >= 10)
    run = made_run(root, tmp_path / "run", "training.guard.patience=2", "training.guard.roll_backs=2")
    with pytest.raises(TrainingError, match=r"score that is not finite at step 12.*2 roll-backs"):
        train(run)
    actions = [event["action"] for event in _events(run.out)]
    assert actions == 2 * ["skipped", "skipped", "rolled back"] + ["skipped", "skipped", "stopped"]
    assert _weights_are_finite(run.out / "last.safetensors")
    assert torch.load(run.state, weights_only=True)["progress"]["roll_backs"] == 2


def test_after_a_roll_back_rates_are_smaller(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = []

    def spoil_first_time(step: int) -> bool:
        times.append(step)
        return step == 10 and times.count(10) <= 4  # the four clips of the batch, once

    _spoil(monkeypatch, spoil_first_time)
    run = made_run(root, tmp_path / "run", "training.guard.patience=1", "training.guard.rate_factor=0.1")
    train(run)
    rows = [line.split(",") for line in (run.out / "metrics.csv").read_text().splitlines()]
    rate = rows[0].index("learning_rate_all")
    assert float(rows[2][rate]) < 0.15 * float(rows[1][rate])
    assert rows[3][-1] == "1.0"


def test_a_gradient_that_is_not_finite_names_the_parameter(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    original = SpectralLcnn.forward

    def forward(self: SpectralLcnn, waveforms: Tensor):
        output = original(self, waveforms)
        if self.training:
            calls.append(None)
            if len(calls) == 5:  # the loss is finite, its gradient is not
                output.logits.register_hook(lambda gradient: gradient * math.nan)
        return output

    monkeypatch.setattr(SpectralLcnn, "forward", forward)
    run = made_run(root, tmp_path / "run")
    assert _weights_are_finite(train(run))
    (event,) = _events(run.out)
    assert (event["step"], event["what"], event["action"]) == (5, "gradient", "skipped")
    assert event["culprit"].startswith("head.")


def test_weights_that_overflow_are_not_kept(root: Path, tmp_path: Path) -> None:
    run = made_run(root, tmp_path / "run", "training.learning_rate=1e30", "training.weight_decay=0.0")
    with pytest.raises(TrainingError, match="roll-backs did not help"):
        train(run)
    assert not (run.out / "best.safetensors").exists()
    state = torch.load(run.state, weights_only=True)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state["weights"].values())


class _Chain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, values: Tensor) -> Tensor:
        return self.third(self.second(self.first(values)))


def test_the_culprit_is_the_first_module_whose_answer_is_not_finite() -> None:
    chain, values = _Chain(), torch.ones(1, 2)
    with torch.no_grad():
        chain.second.weight[0, 0] = math.inf
    assert name_culprit(chain, lambda: chain(values), values) == "second"


def test_statistics_of_norms_forget_a_batch() -> None:
    norm = nn.BatchNorm1d(2)
    before = {name: value.clone() for name, value in norm.named_buffers()}
    memory = NormMemory(norm)
    norm(torch.full((3, 2), math.nan))
    memory.restore()
    for name, value in norm.named_buffers():
        assert torch.equal(value, before[name])
