"""Unlike what the detector knows: planted changes are named, recordings of the same kind are left alone."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from made_corpus import write_folder_corpus
from made_detectors import config, detector, predictor_of
from moe_mamba_asv.audio.resample import resample
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.errors import CheckpointError, CorpusError
from moe_mamba_asv.scoring.domain import Profile, embed, make_profile, profile_beside, profile_path
from moe_mamba_asv.scoring.predictor import Predictor
from stand_in import clip

Waveform = np.ndarray


def _clip(seed: int, duration_s: float = 1.0) -> Waveform:
    return clip(np.random.default_rng(seed), spoof=seed % 2 == 1, duration_s=duration_s).astype(np.float32)


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return predictor_of(detector(config()), tmp_path_factory.mktemp("model") / "m.safetensors")


@pytest.fixture(scope="module")
def profile(predictor: Predictor) -> Profile:
    durations = np.random.default_rng(0).uniform(0.8, 2.0, 80)
    known = [_clip(seed, duration) for seed, duration in enumerate(durations)]
    return make_profile(predictor, known, corpus="folder", partition="dev")


def _unlike(profile: Profile, predictor: Predictor, waveform: Waveform) -> list[str]:
    return profile.unlike(waveform, embed(predictor, [waveform])[0])


def test_clips_of_the_same_kind_are_like_it(profile: Profile, predictor: Predictor) -> None:
    told = [_unlike(profile, predictor, _clip(seed, 1.2)) for seed in range(1000, 1040)]
    assert sum(map(bool, told)) <= 4


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda sound: resample(resample(sound, 16_000, target_hz=4_000), 4_000), "bandwidth_hz"),
        (lambda sound: sound[:3_200], "duration_s"),
        (lambda sound: np.tile(sound, 8), "duration_s"),
        (lambda sound: sound * 0.01, "level_dbfs"),
        (lambda sound: np.concatenate([np.zeros(6_400, np.float32), sound]), "leading_silence_s"),
    ],
)
def test_what_is_other_is_named(profile: Profile, predictor: Predictor, change, fact: str) -> None:
    sound = _clip(2001, 1.2)
    assert not any(reason.startswith(fact) for reason in _unlike(profile, predictor, sound))
    assert any(reason.startswith(fact) for reason in _unlike(profile, predictor, change(sound)))


def test_noise_is_far_from_everything_known(profile: Profile, predictor: Predictor) -> None:
    level = float(np.sqrt(np.mean(_clip(3) ** 2)))
    noise = (level * np.random.default_rng(4).standard_normal(19_200)).astype(np.float32)
    assert any(reason.startswith("farther") for reason in _unlike(profile, predictor, noise))


def test_the_distance_is_about_one_for_the_profiles_own_clips(profile: Profile) -> None:
    squares = np.array(profile.cloud.distances) ** 2
    assert squares.mean() == pytest.approx(1, abs=0.02)
    centre = np.array(profile.cloud.mean)
    assert profile.distance(centre) == 0
    step = centre + 3 * profile.cloud.deviations[0] * np.array(profile.cloud.directions[0])
    assert profile.distance(step) == pytest.approx(3 / np.sqrt(len(profile.cloud.deviations)))


def test_eval_and_a_handful_of_clips_are_refused(predictor: Predictor) -> None:
    with pytest.raises(CorpusError, match="eval"):
        make_profile(predictor, [_clip(1)] * 50, corpus="folder", partition="eval")
    with pytest.raises(CorpusError, match="40 or more"):
        make_profile(predictor, [_clip(1)] * 39, corpus="folder", partition="dev")


def test_a_profile_belongs_to_its_model(tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus", clips=20)
    model = tmp_path / "m.safetensors"
    known = predictor_of(detector(config()), model)
    assert profile_beside(model, known.header["model_sha256"]) is None
    words = ["profile", str(model), "--corpus", "folder", "--root", str(root)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    found = profile_beside(model, known.header["model_sha256"])
    assert found is not None
    assert found.clips == 40
    with pytest.raises(CheckpointError, match="another model"):
        profile_beside(model, "0" * 64)
    profile_path(model).write_text("{}")
    with pytest.raises(CheckpointError, match="mma profile again"):
        profile_beside(model, known.header["model_sha256"])
    assert CliRunner().invoke(app, [*words, "--partition", "eval"]).exit_code == 2
