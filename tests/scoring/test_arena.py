"""The adapter for the arena: its four calls, any rate and layout, the scores of `mma score`."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError, CheckpointError
from moe_mamba_asv.scoring.arena import ArenaDetector
from stand_in import clip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    predictor_of(detector(config()), path)
    return path


def test_scores_are_those_of_the_files(model: Path, tmp_path: Path) -> None:
    arena = ArenaDetector(str(model), batch_size=2)
    arena.load()
    predictor = predictor_of(detector(config()), tmp_path / "again.safetensors")
    sounds = []
    for number, rate_hz in enumerate((16_000, 8_000, 44_100)):
        sound = clip(np.random.default_rng(number), spoof=False, duration_s=0.7)
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, sound, rate_hz, subtype="FLOAT")
        sounds.append((sound, rate_hz, path))
    wanted = predictor.score([predictor.crop(load_16k(path)) for *_, path in sounds])
    audios, rates = [sound for sound, _, _ in sounds], [rate for _, rate, _ in sounds]
    np.testing.assert_allclose(arena.score_batch(audios, rates), wanted, atol=1e-5)
    assert arena.score(audios[0], 16_000) == pytest.approx(float(wanted[0]), abs=1e-5)


def test_channels_are_averaged_in_either_layout(model: Path) -> None:
    arena = ArenaDetector(str(model))
    arena.load()
    left, right = (clip(np.random.default_rng(seed), spoof=False, duration_s=0.7) for seed in (1, 2))
    stereo = np.stack([left, right])
    wanted = arena.score((left + right) / 2, 16_000)
    assert arena.score(stereo, 16_000) == pytest.approx(wanted, abs=1e-5)
    assert arena.score(stereo.T, 16_000) == pytest.approx(wanted, abs=1e-5)


def test_faults_are_named(model: Path, tmp_path: Path) -> None:
    arena = ArenaDetector(str(model))
    with pytest.raises(CheckpointError, match="load"):
        arena.score(np.ones(100), 16_000)
    arena.load()
    for bad in (np.zeros(8_000), np.array([]), np.array([1.0, np.nan])):
        with pytest.raises(AudioError):
            arena.score(bad, 16_000)
    arena.unload()
    with pytest.raises(CheckpointError, match="load"):
        arena.score(np.ones(100), 16_000)
    with pytest.raises(CheckpointError, match="no model"):
        ArenaDetector(str(tmp_path / "nowhere")).load()
