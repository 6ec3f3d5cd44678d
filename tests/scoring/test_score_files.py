"""Scoring many files: the same numbers however they are batched, stopped and resumed; bad files never in the way."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from moe_mamba_asv.errors import AudioError, CheckpointError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import Input, inputs_from_paths
from moe_mamba_asv.scoring.predictor import Predictor
from stand_in import RATE_HZ, clip

CONFIG = SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_model(CONFIG)
    with torch.no_grad():
        network(torch.randn(4, 16_000))  # batch norm that has seen something
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_checkpoint(Checkpoint("test", CONFIG, network.state_dict(), {"partition": "dev"}, 16_000), path)
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Input]:
    folder = tmp_path_factory.mktemp("clips")
    for number in range(11):
        generator = np.random.default_rng(number)
        sound = clip(generator, spoof=number % 2 == 1, duration_s=float(generator.uniform(0.2, 2)))
        soundfile.write(folder / f"clip{number:02d}.wav", sound, RATE_HZ)
    return inputs_from_paths([folder])


def test_the_batch_size_changes_no_score(model: Path, clips: list[Input]) -> None:
    predictor = Predictor(model)
    scores = [score_files(clips, predictor, batch_size=size).frame["score"].to_numpy() for size in (1, 3, 100)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scores[0], scores[2], rtol=1e-5, atol=1e-6)
    assert len(set(scores[0])) == len(clips)


class _Stop(BaseException):
    """Not an error of the program: somebody pulled the plug."""


@pytest.mark.parametrize("cut", [0, 7])
def test_a_stopped_run_goes_on_to_the_same_table(model: Path, clips: list[Input], tmp_path: Path, cut: int) -> None:
    predictor, journal = Predictor(model), tmp_path / "scores.partial"
    whole = score_files(clips, predictor, batch_size=3).frame

    def stop(done: int) -> None:
        if done >= 6:
            raise _Stop

    with pytest.raises(_Stop):
        score_files(clips, predictor, batch_size=3, journal=journal, on_progress=stop)
    if cut:
        journal.write_bytes(journal.read_bytes()[:-cut])  # a kill in the middle of a write
    begun: list[int] = []
    resumed = score_files(clips, predictor, batch_size=3, journal=journal, on_progress=begun.append).frame
    assert resumed.equals(whole)
    assert begun[0] == (3 if cut else 6)


def test_a_journal_of_another_question_is_not_continued(model: Path, clips: list[Input], tmp_path: Path) -> None:
    predictor, journal = Predictor(model), tmp_path / "scores.partial"
    score_files(clips[:6], predictor, batch_size=3, journal=journal)
    begun: list[int] = []
    score_files(clips, predictor, batch_size=3, journal=journal, on_progress=begun.append)
    assert begun[0] == 0


def _write_bad(folder: Path) -> dict[str, str]:
    """Files that cannot be scored, and a word of the reason that is wanted."""
    good = clip(np.random.default_rng(0), spoof=False, duration_s=1)
    soundfile.write(folder / "good.wav", good, RATE_HZ)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.flac").write_text("this is no sound")
    soundfile.write(folder / "none.wav", good[:0], RATE_HZ)
    soundfile.write(folder / "silent.wav", 0 * good, RATE_HZ)
    soundfile.write(folder / "nan.wav", good * np.float32(np.nan), RATE_HZ, subtype="FLOAT")
    (folder / "cut.wav").write_bytes((folder / "good.wav").read_bytes()[: RATE_HZ // 2])
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    return {"empty": "", "text": "", "none": "", "silent": "silence", "nan": "NaN", "cut": "truncated", "gone": ""}


def test_bad_files_are_listed_and_the_rest_is_scored(model: Path, tmp_path: Path) -> None:
    reasons = _write_bad(tmp_path)
    inputs = inputs_from_paths([tmp_path])
    table = score_files(inputs, Predictor(model), batch_size=4)
    assert table.scored["utterance"].to_list() == ["good"]
    assert set(table.failed["utterance"]) == set(reasons)
    for utterance, _, error in table.failed.iter_rows():
        assert reasons[utterance] in error
        assert utterance in error or utterance == "silent"
    alone = score_files([i for i in inputs if i.utterance == "good"], Predictor(model), batch_size=1)
    assert table.scored["score"][0] == pytest.approx(alone.scored["score"][0], rel=1e-6)


def test_odd_but_usable_sounds_are_scored(model: Path, tmp_path: Path) -> None:
    good = clip(np.random.default_rng(0), spoof=False, duration_s=1)
    soundfile.write(tmp_path / "one_sample.wav", good[1:2], RATE_HZ)
    soundfile.write(tmp_path / "eight.wav", np.stack([good] * 8, axis=1), RATE_HZ)
    soundfile.write(tmp_path / "fast.wav", np.repeat(good, 12), 192_000)
    table = score_files(inputs_from_paths([tmp_path]), Predictor(model), batch_size=8)
    assert len(table.scored) == 3


def test_an_answer_that_is_not_finite_is_no_score(model: Path, clips: list[Input]) -> None:
    predictor = Predictor(model)
    predictor.model.head.linear.bias.data.fill_(torch.nan)
    table = score_files(clips, predictor, batch_size=4)
    assert len(table.scored) == 0
    assert table.failed["error"].str.contains("nan").all()


def test_names_are_stems_unless_two_share_one(tmp_path: Path) -> None:
    for place in ("a/x.wav", "b/x.wav", "a/y.FLAC", "a/notes.txt"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
    names = [item.utterance for item in inputs_from_paths([tmp_path])]
    assert names == [str(tmp_path / "a/x.wav"), "y", str(tmp_path / "b/x.wav")]


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="nowhere"):
        inputs_from_paths([tmp_path / "nowhere"])
    with pytest.raises(AudioError, match="no audio"):
        inputs_from_paths([tmp_path])


def test_a_model_is_a_file_or_a_run(model: Path, tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes(model.read_bytes())
    assert find_model(str(tmp_path)) == tmp_path / "best.safetensors"
    with pytest.raises(CheckpointError, match="mma train"):
        find_model("aasisst")
