"""Long recordings: what is planted is found at its seconds, silence has no vote, memory does not grow with length."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
import torch

from made_recording import RATE_HZ, Stand, encode_aac, second, write_recording
from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.scoring.files import score_files
from moe_mamba_asv.scoring.inputs import Input
from moe_mamba_asv.scoring.long_audio import LongOptions, score_long
from moe_mamba_asv.scoring.long_score import LongScore, WindowScore, pool
from moe_mamba_asv.scoring.predictor import Predictor


@pytest.fixture(scope="module")
def hour_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty minutes: 20 s spoofed at 12:00, a silent minute at 5:00."""
    path = tmp_path_factory.mktemp("long") / "call.flac"
    return write_recording(path, 1_200, spoofed=range(720, 740), silent=range(300, 360))


@pytest.fixture(scope="module")
def answer(hour_like: Path) -> tuple[LongScore, list[int]]:
    """What is found in it, and the sizes of the batches that were scored."""
    predictor = Stand()
    return score_long(predictor, hour_like), predictor.batches


def test_what_is_planted_is_found_at_its_seconds(answer: tuple[LongScore, list[int]]) -> None:
    result, _ = answer
    assert result.duration_s == 1_200
    assert (result.window_s, result.hop_s) == (4, 2)
    wholly, partly = ([one.start_s for one in result.voted if one.score < limit] for limit in (-0.9, 0.9))
    assert wholly == list(range(720, 738, 2))
    assert partly == [718, *wholly, 738]
    assert result.pooled is not None
    assert 720 <= result.pooled.minimum_at_s <= 736
    assert result.pooled.minimum == pytest.approx(-1, abs=0.01)
    assert result.pooled.lowest_mean == pytest.approx(-1, abs=0.01)
    assert result.pooled.mean > 0.9  # 20 s in 20 minutes hardly move it


def test_silence_has_no_vote_and_is_shown(answer: tuple[LongScore, list[int]]) -> None:
    result, batches = answer
    mute = [window for window in result.windows if window.score is None]
    assert [(window.start_s, window.end_s) for window in mute] == [(at, at + 4) for at in range(300, 358, 2)]
    assert {window.no_vote for window in mute} == {"too little speech"}
    assert sum(batches) == len(result.voted) == len(result.windows) - len(mute)
    # The windows at both ends of the pause are half speech and do vote.
    assert result.stretches_without_vote == [(302, 358)]


def test_a_window_with_less_speech_than_asked_for_has_no_vote(hour_like: Path) -> None:
    strict = score_long(Stand(), hour_like, LongOptions(min_speech=0.9))
    assert strict.stretches_without_vote == [(300, 360)]
    assert all(window.speech_share >= 0.9 for window in strict.voted)


def test_passes_are_linear_in_the_length(tmp_path: Path) -> None:
    windows, passes = [], []
    for seconds in (60, 120, 240):
        predictor = Stand()
        result = score_long(predictor, write_recording(tmp_path / f"{seconds}.wav", seconds))
        windows.append(len(result.windows))
        passes.append(len(predictor.batches))
        assert max(predictor.batches) == 8
    assert windows == [29, 59, 119]
    assert passes == [4, 8, 15]


def test_memory_does_not_grow_with_the_length(hour_like: Path, tmp_path: Path) -> None:
    score_long(Stand(), write_recording(tmp_path / "short.flac", 60))  # what is loaded once
    before = psutil.Process().memory_info().rss
    held: list[int] = []
    tracemalloc.start()
    score_long(Stand(), hour_like, on_progress=lambda *_: held.append(psutil.Process().memory_info().rss))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As samples, the recording alone is 77 MB.
    assert peak < 60e6
    assert max(held) - before < 100e6


def test_progress_is_told_in_seconds(hour_like: Path) -> None:
    told: list[tuple[float, float]] = []
    score_long(Stand(), hour_like, on_progress=lambda done_s, total_s: told.append((done_s, total_s)))
    assert told == sorted(told)
    assert {total_s for _, total_s in told} == {1_200}
    assert told[-1][0] == 1_200


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a"])
def test_compressed_recordings(tmp_path: Path, name: str) -> None:
    samples = np.concatenate([second(number, spoof=20 <= number < 30) for number in range(50)])
    if name == "a.mp3":
        soundfile.write(tmp_path / name, samples, RATE_HZ)
    else:
        encode_aac(tmp_path / name, samples, RATE_HZ)
    result = score_long(Stand(), tmp_path / name)
    assert result.duration_s == pytest.approx(50, abs=0.2)
    assert result.pooled is not None
    assert 19.8 <= result.pooled.minimum_at_s <= 26.2


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    torch.manual_seed(0)
    config = SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=2)
    network = build_model(config)
    with torch.no_grad():
        network(torch.randn(4, 16_000))  # batch norm that has seen something
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    save_checkpoint(Checkpoint("test", config, network.state_dict(), {"partition": "dev"}, 16_000), path)
    return Predictor(path)


@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.5])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_the_first_window_has_the_score_of_the_file(
    detector: Predictor, tmp_path: Path, seconds: float, rate_hz: int
) -> None:
    noise = np.random.default_rng(0).standard_normal(round(seconds * rate_hz))
    soundfile.write(tmp_path / "clip.flac", 0.1 * noise, rate_hz)
    wanted = score_files([Input("clip", tmp_path / "clip.flac")], detector, batch_size=1).frame["score"][0]
    result = score_long(detector, tmp_path / "clip.flac", LongOptions(batch_size=1))
    assert result.windows[0].score == pytest.approx(wanted, abs=1e-6)
    assert len(result.windows) == (1 if seconds <= 1 else 4)


def test_every_window_has_the_score_of_its_own_file(detector: Predictor, tmp_path: Path) -> None:
    write_recording(tmp_path / "long.wav", 6)
    whole, _ = soundfile.read(tmp_path / "long.wav", dtype="float32")
    result = score_long(detector, tmp_path / "long.wav", LongOptions(hop_s=0.7))
    for window in result.voted:
        part = whole[round(window.start_s * RATE_HZ) : round(window.end_s * RATE_HZ)]
        assert window.score == pytest.approx(float(detector.score([part])[0]), abs=1e-5)
    scores = [window.score for window in result.voted]
    assert len(scores) == 9
    assert np.ptp(scores) > 1e-4  # windows do differ, or the above would say nothing


def row(start_s: float, score: float | None) -> WindowScore:
    reason = "too little speech" if score is None else None
    return WindowScore(start_s=start_s, end_s=start_s + 4, speech_share=0.5, score=score, no_vote=reason)


def test_pooling_by_hand() -> None:
    pooled = pool([row(0, 3.0), row(2, None), row(4, -2.0), row(6, 1.0), row(8, -2.0)], lowest_count=3)
    assert pooled is not None
    assert pooled.mean == 0
    assert (pooled.lowest_mean, pooled.lowest_count) == (-1, 3)
    assert (pooled.minimum, pooled.minimum_at_s) == (-2, 4)
    few = pool([row(0, 3.0), row(2, 1.0)], lowest_count=5)
    assert few is not None
    assert (few.lowest_mean, few.lowest_count) == (2, 2)
    assert pool([row(0, None)], lowest_count=5) is None


def test_a_silent_file_has_a_timeline_and_no_answer(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.flac", np.zeros(10 * RATE_HZ), RATE_HZ)
    result = score_long(Stand(), tmp_path / "silent.flac")
    assert result.pooled is None
    assert len(result.windows) == 4
    assert result.stretches_without_vote == [(0, 10)]


def test_an_answer_that_is_no_number_has_no_vote(tmp_path: Path) -> None:
    class Broken(Stand):
        def score(self, crops: Sequence[np.ndarray]) -> np.ndarray:
            return np.where(np.arange(len(crops)) == 1, np.nan, 1.0)

    result = score_long(Broken(), write_recording(tmp_path / "a.wav", 10))
    assert [window.no_vote for window in result.windows] == [None, "the model answered nan", None, None]


def test_a_truncated_file_is_refused_before_it_is_scored(tmp_path: Path) -> None:
    whole = write_recording(tmp_path / "a.wav", 30).read_bytes()
    predictor = Stand()
    with pytest.raises(AudioError, match="truncated"):
        score_long(predictor, whole[: len(whole) // 2])
    assert predictor.batches == []


@pytest.mark.parametrize("wrong", [{"min_speech": 1.5}, {"lowest_count": 0}, {"batch_size": 0}, {"hop_s": np.nan}])
def test_impossible_options_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        LongOptions(**wrong)


def test_a_hop_over_the_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most the window"):
        score_long(Stand(), write_recording(tmp_path / "a.wav", 10), LongOptions(hop_s=4.1))
