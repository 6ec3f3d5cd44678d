"""Crops that are changed, and bona fide ones that become spoofed, as functions of (seed, step, row)."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from torch.utils.data import DataLoader

from made_corpus import write_folder_corpus
from made_run import made_run
from moe_mamba_asv.audio.augment.level import Gain
from moe_mamba_asv.audio.augment.rawboost import RawBoost
from moe_mamba_asv.audio.augment.silence import TrimSilence
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.training.augment import settings_of
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.data.batches import Plan, SamplingConfig, StepBatches
from moe_mamba_asv.training.data.clips import Clips, collate
from moe_mamba_asv.training.data.mixture import UNKNOWN_ATTACK, Mixture
from moe_mamba_asv.training.data.vocoded import VocodedConfig
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.training.train import train
from moe_mamba_asv.types import Partition

BOOST = (RawBoost(algorithm=5), TrimSilence())


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def mixture(root: Path) -> Mixture:
    return Mixture([read_corpus("folder", root=root, partition=Partition.TRAIN)])


def test_a_crop_is_changed_by_step_and_row_alone_and_keeps_its_length(mixture: Mixture) -> None:
    plain, changed = Clips(mixture, 4000, seed=0), Clips(mixture, 4000, seed=0, augmentations=BOOST)
    one, again, other = changed[3, 0], changed[3, 0], changed[4, 0]
    assert one.waveform.shape == (4000,)
    assert one.waveform.equal(again.waveform)
    assert not one.waveform.equal(plain[3, 0].waveform)
    assert not other.waveform.equal(one.waveform)
    assert one[1:] == plain[3, 0][1:]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_number_of_workers_changes_no_sound(mixture: Mixture, workers: int) -> None:
    clips = Clips(mixture, 4000, seed=1, augmentations=BOOST, vocoded=VocodedConfig(p=0.5))
    plan = Plan(mixture, SamplingConfig(), batch_size=4, crops_per_clip=1, seed=1)
    batches = DataLoader(clips, batch_sampler=StepBatches(plan, 0, 3), collate_fn=collate, num_workers=workers)
    heard = torch.cat([batch.waveforms for batch in batches])
    wanted = torch.stack([clips[step, row].waveform for step in range(3) for row in plan.rows(step)])
    assert heard.equal(wanted)


def test_dev_is_heard_as_it_is(mixture: Mixture) -> None:
    vocoded = VocodedConfig(p=1)
    changed = Clips(mixture, 4000, seed=None, augmentations=(Gain(),), vocoded=vocoded)
    for row in range(len(mixture)):
        assert changed[0, row].waveform.equal(Clips(mixture, 4000, seed=None)[0, row].waveform)
        assert changed[0, row].label == Clips(mixture, 4000, seed=None)[0, row].label


def test_bona_fide_crops_become_spoofed_ones_and_spoofed_ones_stay(mixture: Mixture) -> None:
    plain = Clips(mixture, 8000, seed=0)
    always = Clips(mixture, 8000, seed=0, vocoded=VocodedConfig(p=1))
    for row in range(len(mixture)):
        before, after = plain[0, row], always[0, row]
        assert after.label == 0
        assert after.waveform.equal(before.waveform) == (before.label == 0)
        assert after.attack == (UNKNOWN_ATTACK if before.label else before.attack)
    half = Clips(mixture, 8000, seed=0, vocoded=VocodedConfig(p=0.5, attacks=("A02",)))
    bona_fide = [row for row in range(len(mixture)) if plain[0, row].label]
    share = np.mean([half[step, row].label == 0 for step in range(10) for row in bona_fide])
    assert 0.3 < share < 0.7


def test_silence_is_not_vocoded(tmp_path: Path) -> None:
    import soundfile

    for label in ("bonafide", "spoof/x"):
        folder = tmp_path / "train" / label
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{label[0]}.flac", np.zeros(8000), 16_000)
    silent = Mixture([read_corpus("folder", root=tmp_path, partition=Partition.TRAIN)])
    clips = Clips(silent, 4000, seed=0, vocoded=VocodedConfig(p=1))
    assert sorted(clips[0, row].label for row in range(2)) == [0, 1]


def test_settings_of_names_make_a_recipe_and_strange_ones_are_refused() -> None:
    training = load_recipe("lcnn-small", settings_of(["rawboost-la", "vocoded", "channel"])).training
    assert training.augment[0] == RawBoost(algorithm=5)
    assert len(training.augment) > 2
    assert training.vocoded == VocodedConfig()
    with pytest.raises(ConfigError, match="rawboost-la"):
        settings_of(["rawbost"])
    with pytest.raises(ConfigError, match="frozen_features"):
        load_recipe("phase3-small", [*settings_of(["vocoded"]), "training.frozen_features=true"])
    with pytest.raises(ValidationError, match="A10"):
        VocodedConfig(attacks=("A01", "A10"))


def test_a_run_learns_from_augmented_clips_and_resumes_with_the_same_bits(root: Path, tmp_path: Path) -> None:
    options = [*settings_of(["rawboost-la", "vocoded"]), "training.vocoded.p=0.5"]
    plain = train(made_run(root, tmp_path / "plain", max_steps=4))
    whole = train(made_run(root, tmp_path / "whole", *options, max_steps=4))
    assert plain.read_bytes() != whole.read_bytes()

    class StopError(Exception):
        pass

    def stop(step: int, total: int, dev_eer: float) -> None:
        if step == 2:
            raise StopError

    with pytest.raises(StopError):
        train(made_run(root, tmp_path / "parts", *options, max_steps=4), report=stop)
    parts = train(made_run(root, tmp_path / "parts", *options, max_steps=4, workers=2), resume=True)
    assert parts.read_bytes() == whole.read_bytes()


def test_the_device_boosts_as_the_loader_does(root: Path, tmp_path: Path) -> None:
    losses = []
    for name, more in (
        ("plain", []),
        ("loader", settings_of(["rawboost-la"])),
        ("device", settings_of(["rawboost-la"])),
    ):
        options = [*more, f"training.augment_on_device={str(name == 'device').lower()}"]
        train(made_run(root, tmp_path / name, *options, max_steps=4))
        losses.append(pl.read_csv(tmp_path / name / "steps.csv")["loss"].to_numpy())
    np.testing.assert_allclose(losses[2], losses[1], rtol=1e-3)
    assert np.abs(losses[1] - losses[0]).max() > 0.01
    with pytest.raises(ConfigError, match="wanted RawBoost, and nothing else"):
        load_recipe("lcnn-small", [*settings_of(["channel"]), "training.augment_on_device=true"])


def test_batches_hold_what_was_heard(mixture: Mixture) -> None:
    clips = Clips(mixture, 8000, seed=0, vocoded=VocodedConfig(p=1))
    batch = collate([clips[0, row] for row in range(len(mixture))])
    assert isinstance(batch, Batch)
    assert batch.labels.sum() == 0
