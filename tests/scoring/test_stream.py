"""Scoring calls while they are spoken: the same scores however the sound comes in, and as offline."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from made_detectors import NUM_SAMPLES, predictor_of
from made_streams import HOP, causal_detector, changing_noise
from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.models.streaming import StreamingModel
from moe_mamba_asv.scoring.stream import Stream, Streams, StreamScore

MODEL = causal_detector()
SOUND = changing_noise(20)


def _pushed(stream: Stream, sound: NDArray[np.float32], sizes: Sequence[int]) -> list[StreamScore]:
    """All scores of a sound that comes in chunks of these sizes, again and again."""
    scores, start, turn = [], 0, 0
    while start < len(sound):
        scores += stream.push(sound[start : start + sizes[turn % len(sizes)]])
        start, turn = start + sizes[turn % len(sizes)], turn + 1
    return scores


def _offline(model: Countermeasure, sound: NDArray[np.float32]) -> float:
    with torch.inference_mode():
        return model(torch.from_numpy(sound[None])).score.item()


def _values(scores: Sequence[StreamScore]) -> list[float]:
    return [score for _, score in scores]


@settings(deadline=None, max_examples=8)
@given(sizes=st.lists(st.integers(min_value=1_000, max_value=40_000), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_twenty_seconds_in_any_chunks_score_as_offline(sizes: list[int], seed: int) -> None:
    sound = changing_noise(20, seed)
    scores = _pushed(Stream(MODEL), sound, sizes)
    assert len(scores) == len(sound) // HOP
    for end in (7, 100, len(scores) // 2, len(scores)):
        assert scores[end - 1].score == pytest.approx(_offline(MODEL, sound[: end * HOP]), rel=0, abs=1e-5)
    assert scores[-1].score == pytest.approx(_offline(MODEL, sound), rel=0, abs=1e-5)  # the rest fills no frame
    assert np.std(_values(scores)) > 1e-2


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.integers(min_value=0, max_value=600), min_size=1, max_size=40).filter(any))
def test_small_chunks_score_as_one_large_one(sizes: list[int]) -> None:
    sound = SOUND[:8_000]
    small, large = _pushed(Stream(MODEL), sound, sizes), Stream(MODEL).push(sound)
    assert [time_s for time_s, _ in small] == [time_s for time_s, _ in large]
    np.testing.assert_allclose(_values(small), _values(large), rtol=0, atol=1e-5)


def test_a_score_says_until_when_it_heard() -> None:
    """A frame is 243 samples: the first is full with sample 243, and none is answered early."""
    stream = Stream(MODEL)
    assert stream.hop_samples == HOP
    assert stream.push(SOUND[:242]) == []
    assert [time_s for time_s, _ in stream.push(SOUND[242:243])] == [243 / 16_000]
    assert stream.push(SOUND[:0]) == []
    assert [time_s for time_s, _ in stream.push(SOUND[243:800])] == [486 / 16_000, 729 / 16_000]


def test_streams_that_share_a_pass_score_as_each_alone() -> None:
    """Of different sounds, begun at different times, in chunks of different lengths."""
    generator = np.random.default_rng(0)
    sounds = [changing_noise(2, seed) for seed in range(5)]
    streams, found = Streams(MODEL, 5), [[] for _ in sounds]
    starts, ends = [0] * 5, [0, 0, 300, 0, 5_000]
    for _ in range(40):
        ends = [end + int(generator.integers(0, 1_500)) for end in ends]
        chunks = {slot: sounds[slot][starts[slot] : ends[slot]] for slot in range(5) if generator.random() < 0.7}
        for slot, scores in streams.push(chunks).items():
            found[slot] += scores
            starts[slot] = ends[slot]
    for slot in range(5):
        alone = Stream(MODEL).push(sounds[slot][: starts[slot]])
        assert [time_s for time_s, _ in found[slot]] == [time_s for time_s, _ in alone]
        np.testing.assert_allclose(_values(found[slot]), _values(alone), rtol=0, atol=1e-5)


def test_equal_chunks_may_come_as_an_array() -> None:
    chunks = np.stack([SOUND[:1_000], SOUND[1_000:2_000]])
    as_array, as_dict = Streams(MODEL, 2).push(chunks), Streams(MODEL, 2).push({0: chunks[0], 1: chunks[1]})
    assert as_array == as_dict
    assert as_array[0] != as_array[1]


def test_another_stream_may_begin_in_a_slot() -> None:
    streams = Streams(MODEL, 2)
    streams.push([SOUND[:1_100], SOUND[:1_100]])
    streams.restart(1)
    answers = streams.push([SOUND[1_100:3_000], SOUND[5_000:6_900]])
    old, new = Stream(MODEL), Stream(MODEL)
    old.push(SOUND[:1_100])
    for slot, alone in enumerate((old.push(SOUND[1_100:3_000]), new.push(SOUND[5_000:6_900]))):
        assert [time_s for time_s, _ in answers[slot]] == [time_s for time_s, _ in alone]
        np.testing.assert_allclose(_values(answers[slot]), _values(alone), rtol=0, atol=1e-5)
    old.restart()
    assert old.push(SOUND[:243])[0].time_s == 243 / 16_000


def test_memory_and_work_do_not_grow() -> None:
    stream, work, memory = Stream(MODEL), [], []
    for start in range(0, 20 * 16_000, 40 * HOP):
        with FlopCounterMode(display=False) as counter:
            stream.push(SOUND[start : start + 40 * HOP])
        work.append(counter.get_total_flops())
        memory.append(stream.state_bytes())
    assert len(set(work[:-1])) == 1
    assert len(set(memory[:-1])) == 1
    assert memory[-1] < memory[0] + 4 * HOP  # what fills no frame waits
    assert min(work) > 0


def test_a_long_push_is_heard_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that its memory is bounded: a step holds ten seconds of all streams together at most."""
    heard, step = [], StreamingModel.step

    def watched(self: StreamingModel, state: object, chunk: torch.Tensor) -> object:
        heard.append(chunk.numel())
        return step(self, state, chunk)  # pyright: ignore

    monkeypatch.setattr(StreamingModel, "step", watched)
    scores = Streams(MODEL, 3).push([SOUND] * 3)
    assert max(heard) <= 160_000
    assert sum(heard) == 3 * (len(SOUND) // HOP * HOP)
    assert [len(scores[slot]) for slot in range(3)] == [len(SOUND) // HOP] * 3


@pytest.mark.parametrize("half_life_s", [0.05, 0.5])
def test_with_a_half_life_old_frames_fade(half_life_s: float) -> None:
    """The mean over frames, its weights written out: 1 for the last, half as much for each half-life before."""
    model = causal_detector("mean")
    stream = Stream(model, half_life_s=half_life_s)
    scores = stream.push(SOUND[: 100 * HOP])
    with torch.inference_mode():
        frames, _ = model.frames(torch.from_numpy(SOUND[None, : 100 * HOP]))
        frames = model.backend(frames).frames[0]
        for end in (1, 30, 100):
            ages_s = torch.arange(end - 1, -1, -1) * HOP / 16_000
            weights = 0.5 ** (ages_s / half_life_s)
            embedding = (weights[:, None] * frames[:end]).sum(0) / weights.sum()
            expected, _ = model.head(embedding[None])
            assert scores[end - 1].score == pytest.approx(expected.item(), rel=0, abs=1e-5)
    assert abs(scores[-1].score - Stream(model).push(SOUND[: 100 * HOP])[-1].score) > 1e-4


def test_a_chunk_that_cannot_be_heard_leaves_all_as_it_was() -> None:
    streams, untouched = Streams(MODEL, 2), Streams(MODEL, 2)
    first, second = [SOUND[:700], SOUND[700:1_400]], [SOUND[1_400:2_000], SOUND[2_000:2_600]]
    streams.push(first)
    untouched.push(first)
    with_nan = second[1].copy()
    with_nan[17] = np.nan
    for bad, message in [
        (with_nan, "not finite"),
        (second[1][None], "shape \\(1, 600\\)"),
        ((second[1] * 32_768).astype(np.int16), "int16"),
    ]:
        with pytest.raises(AudioError, match=message):
            streams.push([second[0], bad])
    assert streams.push(second) == untouched.push(second)


def test_slots_that_are_not_there_are_refused() -> None:
    streams = Streams(MODEL, 2)
    for slot in (-1, 2):
        with pytest.raises(ConfigError, match=f"no stream {slot}; wanted: 0 to 1"):
            streams.push({slot: SOUND[:300]})
        with pytest.raises(ConfigError, match="no stream"):
            streams.restart(slot)
    with pytest.raises(ConfigError, match="3 chunks for 2 streams"):
        streams.push([SOUND[:300]] * 3)
    with pytest.raises(ConfigError, match="0 streams"):
        Streams(MODEL, 0)


def test_a_clip_scores_the_same_from_its_file_and_as_a_stream(tmp_path: Path) -> None:
    predictor = predictor_of(MODEL, tmp_path / "causal.safetensors")
    clip = predictor.crop(SOUND)
    assert len(clip) == NUM_SAMPLES
    assert isinstance(predictor.model, Countermeasure)
    last = Stream(predictor.model).push(clip)[-1]
    assert last.score == pytest.approx(float(predictor.score([clip])[0]), rel=0, abs=1e-5)
