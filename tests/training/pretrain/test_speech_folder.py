"""Crops are a function of seed and step; what cannot be read is noted, and something else is heard."""

from pathlib import Path

import numpy as np
import pytest

from made_speech import write_speech
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.pretrain.speech import Speech


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech"))


def _speech(folder: Path, seed: int = 0, num_samples: int = 16_000) -> Speech:
    return Speech(folder, num_samples, seed=seed, held_out_share=0.2)


def test_a_step_hears_the_same_whatever_was_heard_before(folder: Path) -> None:
    first, later = _speech(folder), _speech(folder)
    steps = [first.step(number, 3) for number in range(6)]
    again = later.step(5, 3)
    assert again.files == steps[5].files
    assert np.array_equal(again.waveforms, steps[5].waveforms)
    other = _speech(folder, seed=1).step(5, 3)
    assert not np.array_equal(again.waveforms, other.waveforms)


def test_every_file_is_heard_once_a_round_in_crops_that_move(folder: Path) -> None:
    speech = _speech(folder)
    assert len(speech.training) == 8
    heard = [speech.step(number, 4) for number in range(4)]
    for start in (0, 2):
        files = heard[start].files + heard[start + 1].files
        assert sorted(files) == speech.training
    crops = {}
    for step in heard:
        for file, crop in zip(step.files, step.waveforms, strict=True):
            crops.setdefault(file, []).append(crop)
            clip = load_16k(folder / file)
            starts = np.flatnonzero(clip[: len(clip) - 16_000 + 1] == crop[0])
            assert any(np.array_equal(clip[start : start + 16_000], crop) for start in starts)
    assert not any(np.array_equal(*pair) for pair in crops.values())


def test_held_out_files_are_never_trained_on_and_always_the_same(folder: Path) -> None:
    speech = _speech(folder)
    assert len(speech.held_out) == 2
    assert not set(speech.held_out) & set(speech.training)
    heard = {file for number in range(20) for file in speech.step(number, 4).files}
    assert heard == set(speech.training)
    crops = [_speech(folder).held_out_crops() for _ in range(2)]
    assert crops[0].files == tuple(speech.held_out)
    assert np.array_equal(crops[0].waveforms, crops[1].waveforms)
    assert _speech(folder, seed=3).held_out != speech.held_out


def test_a_short_file_is_repeated(folder: Path) -> None:
    crops = _speech(folder, num_samples=30_000).step(0, 2).waveforms
    assert np.array_equal(crops[:, :6_000], crops[:, 24_000:])


def test_another_file_is_heard_for_one_that_cannot_be_read(tmp_path: Path) -> None:
    folder = write_speech(tmp_path)
    bad = set(_speech(folder).training[:3])
    for file in bad:
        (folder / file).write_text("no sound")
    speech = _speech(folder)
    steps = [speech.step(number, 4) for number in range(10)]
    assert speech.unreadable.keys() == bad
    assert all(file in reason for file, reason in speech.unreadable.items())
    assert {file for step in steps for file in step.files} == set(speech.training) - bad
    # Also where the bad files are not known yet, as after a kill.
    again = _speech(folder).step(9, 4)
    assert (again.files, again.waveforms.tobytes()) == (steps[9].files, steps[9].waveforms.tobytes())
    assert sum(1 for _ in _speech(folder).sample()) == len(speech.training) - len(bad)


def test_folders_without_speech_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="0 audio files"):
        _speech(tmp_path)
    for number in range(4):
        (tmp_path / f"{number}.wav").write_text("no sound")
    with pytest.raises(TrainingError, match="cannot be read"):
        _speech(tmp_path).step(0, 2)
    with pytest.raises(TrainingError, match="held-out"):
        _speech(tmp_path).held_out_crops()
