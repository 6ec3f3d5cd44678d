"""A pre-training run: every family learns, a killed run ends with the same bits, and detectors load what it wrote."""

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from made_speech import write_speech
from moe_mamba_asv.errors import ConfigError, TrainingError
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.models.frontends.ssl_source import load_published
from moe_mamba_asv.training.guards import Fault
from moe_mamba_asv.training.pretrain.config import PretrainConfig
from moe_mamba_asv.training.pretrain.predictor import MaskedPredictor
from moe_mamba_asv.training.pretrain.pretrain import pretrain
from moe_mamba_asv.training.pretrain.run import Pretraining
from moe_mamba_asv.training.pretrain.speech import Crops, Speech
from moe_mamba_asv.training.pretrain.state import load_state
from moe_mamba_asv.training.pretrain.stepper import MaskedStepper
from moe_mamba_asv.training.pretrain.targets import FrameTargets, HiddenFeatures
from stand_in import start_mma
from tiny_ssl import KINDS, published_states, save_tiny

SMALL = {"batch_size": 4, "crop_s": 1.0, "clusters": 6, "cluster_frames": 400, "held_out_share": 0.2}
FAMILIES = ("wavlm-stable", "wav2vec2-stable", "hubert-post", "whisper")
WRITTEN = ("model.safetensors", "config.json", "metrics.csv", "clusters.safetensors")


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech"))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("source"), "wavlm-post")


def _run(source: Path, speech: Path, out: Path, *, seed: int = 0, **options) -> Pretraining:
    return Pretraining(str(source), speech, out, PretrainConfig(**{**SMALL, **options}), seed)


def _rows(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def _without_dropout(source: Path) -> Path:
    """So few numbers as a tiny model has are all needed."""
    config = json.loads((source / "config.json").read_text())
    random = [name for name in config if name.endswith(("dropout", "layerdrop"))]
    (source / "config.json").write_text(json.dumps(config | dict.fromkeys(random, 0.0)))
    return source


@pytest.mark.parametrize("from_scratch", [True, False])
@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_learns_to_guess(kind: str, from_scratch: bool, tmp_path: Path) -> None:
    speech = write_speech(tmp_path / "speech", clips=20)
    source = _without_dropout(save_tiny(tmp_path / "source", kind))
    if from_scratch:
        (source / "model.safetensors").unlink()
    options = {"steps": 80, "every_steps": 20, "learning_rate": 8e-3, "batch_size": 8, "from_scratch": from_scratch}
    found = pretrain(_run(source, speech, tmp_path / "run", **options))
    rows = _rows(tmp_path / "run")
    assert [row["step"] for row in rows] == ["0", "20", "40", "60", "80"]
    assert float(rows[-1]["held_out_loss"]) == found.after.loss
    assert (found.steps, found.skipped, found.training_files, found.held_out_files) == (80, 0, 16, 4)
    assert found.after.loss < found.before.loss - 0.1
    if from_scratch:
        # Steps 61 to 80 against 1 to 20, in which it has learned how frequent each cluster is. Clusters of a model of
        # random numbers are too hard to guess for more.
        assert float(rows[-1]["loss"]) < float(rows[1]["loss"]) - 0.2


def test_random_weights_need_no_layers(source: Path, speech: Path, tmp_path: Path) -> None:
    run = _run(source, speech, tmp_path / "run", steps=1, from_scratch=True)
    pretrain(run)
    assert load_file(run.clusters)["centres"].shape == (6, 40)
    with pytest.raises(ConfigError, match="no hidden state worth clustering"):
        PretrainConfig.checked(from_scratch=True, layer=2)


@pytest.mark.parametrize("kind", KINDS)
def test_detectors_load_the_model_that_was_trained(kind: str, speech: Path, tmp_path: Path) -> None:
    source = save_tiny(tmp_path / "source", kind)
    run = _run(source, speech, tmp_path / "run", steps=2, learning_rate=0.05)
    pretrain(run)
    clips = 0.1 * torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
    predictor = MaskedPredictor(load_published(str(source)), 6, None)
    targets = FrameTargets(HiddenFeatures(str(source), 2), load_file(run.clusters)["centres"])
    progress = load_state(run.state, MaskedStepper(predictor, targets, run.config, run.seed))
    assert progress.step == 2
    with torch.no_grad():
        trained = predictor.eval().encoder(clips, torch.zeros(targets(clips).shape, dtype=torch.bool))
    loaded = SslFrontend(SslConfig(source=str(run.out), layers="weighted")).hidden_states(clips)
    assert (loaded[-1] - trained).norm() <= 1e-5 * trained.norm()
    for state, wanted in zip(loaded, published_states(run.out, clips), strict=True):
        assert (state - wanted).norm() <= 1e-5 * wanted.norm()
    before = SslFrontend(SslConfig(source=str(source)))(clips)
    assert (loaded[-1] - before).norm() > 1e-3 * before.norm()


def test_only_the_trained_layers_move(source: Path, speech: Path, tmp_path: Path) -> None:
    pretrain(_run(source, speech, tmp_path / "run", steps=3, trainable=(1, 2)))
    old, new = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "run"))
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert {name.split(".")[2] for name in moved if name != "masked_spec_embed"} == {"1", "2"}
    assert "masked_spec_embed" in moved


class _Stop(BaseException):
    """Not an error of the program: somebody pulled the plug."""


@pytest.mark.parametrize(("stop_at", "options"), [(1, {}), (5, {"trainable": (2, 3)}), (7, {"mixing": {}})])
def test_a_stopped_run_resumes_to_the_same_bits(
    stop_at: int, options: dict, source: Path, speech: Path, tmp_path: Path
) -> None:
    def run(name: str) -> Pretraining:
        return _run(source, speech, tmp_path / name, steps=8, every_steps=3, **options)

    def stop(what: str, done: int, total: int, loss: float) -> None:
        if what == "pre-training" and done == stop_at:
            raise _Stop

    whole = pretrain(run("whole"))
    with pytest.raises(_Stop):
        pretrain(run("parts"), report=stop)
    assert not (tmp_path / "parts" / "config.json").exists()
    assert pretrain(run("parts"), resume=True).after == whole.after
    for name in WRITTEN:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    # Once it is over, there is nothing left to do.
    assert pretrain(run("parts"), resume=True).after == whole.after


def test_the_seed_decides_the_run(source: Path, speech: Path, tmp_path: Path) -> None:
    found = [pretrain(_run(source, speech, tmp_path / str(n), steps=2, seed=n // 2)).after for n in range(3)]
    assert found[0] == found[1]
    assert found[0] != found[2]


def _start(source: Path, speech: Path, out: Path) -> subprocess.Popen[bytes]:
    small = ["--batch-size", 4, "--crop-s", 1, "--clusters", 6, "--held-out", 0.2, "--steps", 40, "--every", 2]
    return start_mma("pretrain", source, "--speech", speech, "--out", out, "--resume", *small)


@pytest.fixture(scope="module")
def whole(source: Path, speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert _start(source, speech, out).wait() == 0
    return out


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_the_command_killed_and_repeated_ends_with_the_same_bits(
    kill: signal.Signals, source: Path, speech: Path, whole: Path, tmp_path: Path
) -> None:
    victim = _start(source, speech, tmp_path)
    state = tmp_path / "state" / "last.ckpt"
    while not state.exists() and victim.poll() is None:
        time.sleep(0.005)
    os.kill(victim.pid, kill)
    assert victim.wait() != 0
    assert not (tmp_path / "config.json").exists()
    assert _start(source, speech, tmp_path).wait() == 0
    for name in WRITTEN:
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_bad_file_is_listed_and_does_no_harm(source: Path, tmp_path: Path) -> None:
    speech = write_speech(tmp_path / "speech")
    run = _run(source, speech, tmp_path / "run", steps=4)
    listed = Speech(speech, 16_000, seed=0, held_out_share=0.2)
    bad = {listed.training[0], listed.held_out[0]}
    for file in bad:
        (speech / file).write_text("no sound")
    found = pretrain(run)
    assert found.unreadable.keys() == bad
    with (run.out / "unreadable.csv").open() as file:
        assert {row["file"]: row["reason"] for row in csv.DictReader(file)} == found.unreadable


def test_a_run_that_ends_in_infinity_stops_with_its_clips_named(source: Path, speech: Path, tmp_path: Path) -> None:
    run = _run(source, speech, tmp_path / "run", steps=30, learning_rate=1e30, patience=3)
    with pytest.raises(TrainingError, match=r"3 steps in a row.*clip\d+\.flac"):
        pretrain(run)
    events = [json.loads(line) for line in (run.out / "events.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events[-3:]] == list(range(events[-3]["step"], events[-3]["step"] + 3))
    assert all(len(event["files"]) == 4 and event["culprit"] for event in events)
    assert not (run.out / "config.json").exists()


def test_a_step_with_nan_is_skipped_and_changes_nothing(source: Path) -> None:
    config = PretrainConfig(**SMALL, steps=10)
    predictor = MaskedPredictor(load_published(str(source)), 6, None)
    targets = FrameTargets(HiddenFeatures(str(source), 2), torch.randn(6, 16))
    stepper = MaskedStepper(predictor, targets, config, seed=0)
    clips = 0.1 * np.random.default_rng(0).standard_normal((4, 16_000), np.float32)
    stepper.step(0, Crops(clips, tuple("abcd")))
    before = {name: tensor.clone() for name, tensor in predictor.state_dict().items()}
    moments = {key: value["exp_avg"].clone() for key, value in stepper.optimizer.state_dict()["state"].items()}
    fault = stepper.step(1, Crops(np.full_like(clips, np.nan), tuple("abcd")))
    assert fault == Fault("loss", "the waveforms")
    assert all(torch.equal(before[name], tensor) for name, tensor in predictor.state_dict().items())
    after = stepper.optimizer.state_dict()["state"]
    assert all(torch.equal(moments[key], after[key]["exp_avg"]) for key in moments)


def test_a_skipped_step_is_counted_and_the_run_goes_on(source: Path, speech: Path, tmp_path: Path, monkeypatch) -> None:
    heard = Speech.step

    def step(self: Speech, number: int, batch_size: int) -> Crops:
        crops = heard(self, number, batch_size)
        return crops._replace(waveforms=crops.waveforms * np.nan) if number in (1, 2, 4) else crops

    monkeypatch.setattr(Speech, "step", step)
    found = pretrain(_run(source, speech, tmp_path / "run", steps=6, patience=3))
    assert (found.steps, found.skipped) == (6, 3)
    assert _rows(tmp_path / "run")[-1]["skipped"] == "3"


def test_the_rate_rises_in_a_line_and_falls_in_a_line(source: Path) -> None:
    config = PretrainConfig(**SMALL, steps=100, learning_rate=1.0, warm_up_share=0.2)
    predictor = MaskedPredictor(load_published(str(source)), 6, None)
    targets = FrameTargets(HiddenFeatures(str(source), 1), torch.zeros(6, 16))
    stepper = MaskedStepper(predictor, targets, config, seed=0)
    assert [stepper.rate(number) for number in (0, 9, 19, 20, 60, 99)] == pytest.approx([0.05, 0.5, 1, 1, 0.5, 1 / 80])


def test_mixing_and_the_weight_of_what_is_not_hidden_change_the_run(source: Path, speech: Path, tmp_path: Path) -> None:
    changes = [
        {},
        {"mixing": {"probability": 1.0}},
        {"unmasked_weight": 1.0},
        {"layer": 3},
        {"mask": {"num_frames": 5}},
    ]
    found = [
        pretrain(_run(source, speech, tmp_path / str(n), steps=2, **change)).after.loss
        for n, change in enumerate(changes)
    ]
    assert len(set(found)) == len(changes)


def test_a_folder_that_holds_something_else_is_not_overwritten(source: Path, speech: Path, tmp_path: Path) -> None:
    run = _run(source, speech, tmp_path / "run", steps=1)
    pretrain(run)
    with pytest.raises(TrainingError, match="already holds a run"):
        pretrain(run)
    with pytest.raises(TrainingError, match="other seed"):
        pretrain(_run(source, speech, run.out, steps=1, seed=9), resume=True)
    with pytest.raises(TrainingError, match="other model_sha256"):
        pretrain(_run(run.out, speech, run.out, steps=1), resume=True)
    with pytest.raises(TrainingError, match="another origin"):
        pretrain(_run(source, speech, source, steps=1))
    assert not (source / "run.json").exists()


def test_what_cannot_be_clustered_leaves_nothing_behind(source: Path, speech: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="distinct"):
        pretrain(_run(source, speech, tmp_path / "run", steps=1, clusters=500, cluster_frames=300))
    assert not (tmp_path / "run").exists()
    assert pretrain(_run(source, speech, tmp_path / "run", steps=1)).steps == 1


def test_a_layer_that_is_not_there_is_refused_before_anything_is_written(
    source: Path, speech: Path, tmp_path: Path
) -> None:
    for options in ({"layer": 5}, {"trainable": (0, 4)}):
        with pytest.raises(ConfigError):
            pretrain(_run(source, speech, tmp_path / "run", steps=1, **options))
    assert not (tmp_path / "run").exists()
