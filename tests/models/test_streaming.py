"""What a stream is made of: parts that never look ahead, and whose carried state stands for all that was heard."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from made_detectors import config, detector, two_streams
from made_streams import HOP, causal_detector, changing_noise
from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.models.backends.build import BackendConfig, build_backend
from moe_mamba_asv.models.backends.causal import CausalMamba, CausalMambaConfig
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.frontends.build import build_frontend
from moe_mamba_asv.models.frontends.causal_sincnet import CausalSincNetFrontend
from moe_mamba_asv.models.frontends.sincnet import SincNetConfig
from moe_mamba_asv.models.pooling import PoolingConfig, PoolingState, WeightedMean, build_pooling
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig
from moe_mamba_asv.models.streaming import StreamingModel, StreamState
from moe_mamba_asv.training.recipe import load_recipe


def _frontend(**size: Any) -> CausalSincNetFrontend:
    torch.manual_seed(0)
    sizes = {"num_filters": 7, "channels": (2, 3, 3), **size}
    frontend = build_frontend(SincNetConfig.model_validate({"causal": True, **sizes}))
    assert isinstance(frontend, CausalSincNetFrontend)
    frontend(torch.randn(4, 8_000))  # batch norms that have heard something
    return frontend.eval()


def _pooling(kind: str) -> WeightedMean:
    torch.manual_seed(0)
    pooling = build_pooling(TypeAdapter(PoolingConfig).validate_python({"kind": kind}), 8)
    assert isinstance(pooling, WeightedMean)
    return pooling


# The front-end


@pytest.mark.parametrize("frames_a_chunk", [1, 2, 7, 50])
def test_chunks_of_a_sound_give_the_frames_of_the_whole(frames_a_chunk: int) -> None:
    frontend, waveforms = _frontend(), torch.randn(2, 50 * 81)
    state, parts = frontend.empty_state(2, waveforms), []
    with torch.no_grad():
        for chunk in waveforms.split(frames_a_chunk * 81, dim=1):
            frames, state = frontend.stream(chunk, state)
            parts.append(frames)
        whole = frontend(waveforms)
    assert whole.shape == (2, 50, frontend.width)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-5)


def test_a_frame_is_of_what_was_heard_until_then() -> None:
    """Frame k ends with sample 81 (k + 1): the next sample has no part in it, and the last before it has."""
    frontend, waveforms = _frontend().double(), torch.randn(1, 20 * 81, dtype=torch.float64, requires_grad=True)
    for k in (0, 9):
        (slope,) = torch.autograd.grad(frontend(waveforms)[:, k].square().sum(), waveforms)
        assert not slope[0, 81 * (k + 1) :].any()
        assert slope[0, 81 * (k + 1) - 3 : 81 * (k + 1)].any()


@pytest.mark.parametrize(("num_taps", "channels"), [(129, (2,)), (31, (2, 3)), (33, (2, 2, 3))])
def test_a_frame_sees_its_receptive_field_and_no_more(
    num_taps: int, channels: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = _frontend(num_taps=num_taps, channels=channels).double()
    # A maximum has a gradient in one place; a mean, in all that it looks at.
    monkeypatch.setattr(nn.functional, "max_pool1d", nn.functional.avg_pool1d)
    for block in frontend.encoder:
        block.pool = nn.AvgPool2d((1, 3))
    k = 1600 // frontend.hop_samples + 20
    waveforms = torch.randn(1, (k + 3) * frontend.hop_samples, dtype=torch.float64, requires_grad=True)
    frontend(waveforms)[:, k].sum().backward()
    assert waveforms.grad is not None
    seen = waveforms.grad[0].nonzero().squeeze(1)
    assert seen[-1] + 1 == (k + 1) * frontend.hop_samples
    assert seen[-1] - seen[0] + 1 == frontend.receptive_field_samples


@pytest.mark.parametrize(("num_samples", "num_frames"), [(1_600, 1), (2_187, 1), (4_373, 1), (4_374, 2), (64_600, 29)])
def test_frames_are_as_many_as_promised(num_samples: int, num_frames: int) -> None:
    frontend = _frontend(channels=(2,) * 6)
    assert frontend.num_frames(num_samples) == num_frames
    assert frontend(torch.randn(1, num_samples)).shape == (1, num_frames, frontend.width)


def test_a_short_clip_is_repeated_and_a_shorter_one_refused() -> None:
    frontend, clip = _frontend(channels=(2,) * 6), torch.randn(2, 1_600)
    assert torch.equal(frontend(clip), frontend(clip.repeat(1, 2)[:, :2_187]))
    with pytest.raises(AudioError, match="1599 samples; wanted: at least 1600"):
        frontend(torch.randn(1, 1_599))


def test_folding_the_norm_changes_no_frame() -> None:
    frontend, waveforms = _frontend(), torch.randn(2, 4_000)
    with torch.no_grad():
        folded = frontend(waveforms)
    torch.testing.assert_close(frontend(waveforms), folded, rtol=0, atol=1e-5)


def test_every_parameter_of_the_front_end_gets_a_gradient() -> None:
    frontend = _frontend(frequency_mask=True).train()
    frontend(torch.randn(2, 4_000)).square().mul(torch.rand(frontend.width)).mean().backward()
    assert [name for name, own in frontend.named_parameters() if own.grad is None or not own.grad.any()] == []


# The back-end


def test_a_back_end_of_one_direction_is_a_kind() -> None:
    built = build_backend(TypeAdapter(BackendConfig).validate_python({"kind": "mamba", "num_blocks": 3}), 8)
    assert isinstance(built, CausalMamba)
    assert len(built.blocks) == 3


@pytest.mark.parametrize("frames_a_chunk", [1, 3, 29])
def test_chunks_of_frames_give_the_frames_of_the_whole(frames_a_chunk: int) -> None:
    torch.manual_seed(0)
    backend, frames = CausalMamba(8, CausalMambaConfig(num_blocks=3)).eval(), torch.randn(2, 29, 8)
    states, parts = backend.empty_state(2, frames), []
    for chunk in frames.split(frames_a_chunk, dim=1):
        embedded, states = backend.stream(chunk, states)
        parts.append(embedded)
    assert len(states) == 3
    torch.testing.assert_close(torch.cat(parts, dim=1), backend(frames).frames, rtol=0, atol=1e-5)


def test_the_back_end_does_not_see_the_future() -> None:
    backend, frames = CausalMamba(8, CausalMambaConfig(num_blocks=2)).eval(), torch.randn(1, 20, 8)
    changed = frames.clone()
    changed[:, 12:] += torch.randn(8)
    different = (backend(frames).frames != backend(changed).frames).any(-1)[0]
    assert different.tolist() == [False] * 12 + [True] * 8


def test_a_padded_batch_equals_the_clips_alone() -> None:
    backend, frames, lengths = CausalMamba(8, CausalMambaConfig()).eval(), torch.randn(3, 20, 8), [20, 13, 1]
    frames[1, 13:] = 1e3  # whatever the padding holds
    batch = backend(frames, torch.tensor(lengths)).frames
    for clip, length in enumerate(lengths):
        alone = backend(frames[clip : clip + 1, :length]).frames
        torch.testing.assert_close(batch[clip, :length], alone[0], rtol=0, atol=1e-5)


# The pooling


@pytest.mark.parametrize("kind", ["mean", "attentive"])
@pytest.mark.parametrize("scale", [1, 1e4])  # a certain network's weights differ by more than a float holds
def test_the_pooling_so_far_is_that_of_the_clip_that_ends_there(kind: str, scale: float) -> None:
    pooling, frames = _pooling(kind), torch.randn(2, 20, 8)
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter *= scale
    first, state = pooling.stream(frames[:, :7], pooling.empty_state(2, frames))
    rest, _ = pooling.stream(frames[:, 7:], state)
    so_far = torch.cat([first, rest], dim=1)
    for end in range(1, 21):
        torch.testing.assert_close(so_far[:, end - 1], pooling(frames[:, :end]), rtol=0, atol=1e-5)


def test_with_a_half_life_of_a_frame_each_frame_counts_twice_the_one_before() -> None:
    """Of 3, 0 and 6: 3; (1.5 + 0) / 1.5; (0.75 + 0 + 6) / 1.75."""
    pooling = _pooling("mean")
    frames = torch.tensor([3.0, 0, 6]).reshape(1, 3, 1).expand(1, 3, 8)
    pooled, _ = pooling.stream(frames, pooling.empty_state(1, frames), half_life=1)
    torch.testing.assert_close(pooled[0, :, 0], torch.tensor([3, 1, 6.75 / 1.75]))


def test_after_very_many_frames_the_next_one_still_counts() -> None:
    """The hundred-millionth: 1 + (3 - 1) / 1e8, which float32 would round to 1."""
    pooling, frames = _pooling("mean"), torch.full((1, 1, 8), 3.0)
    before = PoolingState(torch.ones(1, 8).double(), torch.full((1, 1), 99_999_999).double().log())
    _, state = pooling.stream(frames, before)
    torch.testing.assert_close(state.mean - 1, torch.full((1, 8), 2e-8).double(), rtol=1e-6, atol=0)


# The whole


def _scores(streaming: StreamingModel, waveforms: Tensor, frames_a_chunk: int = 4) -> tuple[Tensor, StreamState]:
    state, parts = streaming.empty_state(len(waveforms)), []
    for chunk in waveforms.split(frames_a_chunk * streaming.hop_samples, dim=1):
        scores, state = streaming.step(state, chunk)
        parts.append(scores)
    return torch.cat(parts, dim=1), state


@pytest.mark.parametrize("name", ["phase1-stream", "phase1-stream-small"])
def test_a_shipped_recipe_scores_a_stream_as_it_scores_clips(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(load_recipe(name).model)
    with torch.no_grad():
        model(0.1 * torch.randn(2, 16_000))
    streaming = StreamingModel(model.eval())
    assert streaming.hop_samples == 729
    waveforms = 0.1 * torch.randn(2, 30 * 729)
    scores, _ = _scores(streaming, waveforms)
    for end in (3, 17, 30):
        with torch.inference_mode():
            whole = model(waveforms[:, : end * 729]).score
        torch.testing.assert_close(scores[:, end - 1], whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("head", ["linear", "one-class"])
@pytest.mark.parametrize("pooling", ["mean", "attentive"])
def test_every_score_is_that_of_the_clip_that_ends_there(head: str, pooling: str) -> None:
    model = causal_detector(pooling, head={"kind": head})
    waveforms = torch.from_numpy(changing_noise(1.0)).reshape(2, -1)[:, : 32 * HOP]
    scores, _ = _scores(StreamingModel(model), waveforms)
    offline = []
    for end in range(7, 33):  # a clip is at least 0.1 s long
        with torch.inference_mode():
            offline.append(model(waveforms[:, : end * HOP]).score)
    torch.testing.assert_close(scores[:, 6:], torch.stack(offline, dim=1), rtol=0, atol=1e-5)
    assert scores.std(dim=1).min() > 1e-3  # they move, and are still equal


@pytest.mark.parametrize("part", ["samples", "maps", "backend", "pooling"])
def test_whatever_is_not_carried_is_missed(part: str) -> None:
    """Were a part of the state lost between chunks, the other tests would see it: by far more than their tolerance."""
    streaming, waveforms = StreamingModel(causal_detector()), torch.from_numpy(changing_noise(1.0))[None, : 60 * HOP]
    expected, _ = _scores(streaming, waveforms)
    _, state = _scores(streaming, waveforms[:, : 30 * HOP])
    empty = streaming.empty_state(1)
    if part in {"samples", "maps"}:
        forgotten = replace(state, frontend=replace(state.frontend, **{part: getattr(empty.frontend, part)}))
    else:
        forgotten = replace(state, **{part: getattr(empty, part)})
    scores, _ = streaming.step(forgotten, waveforms[:, 30 * HOP :])
    assert (scores - expected[:, 30:]).abs().max() > 1e-4


def test_the_state_does_not_grow() -> None:
    """Nor what its tensors hold alive: a view of a chunk's maps would keep all of them."""

    def held(state: StreamState) -> int:
        tensors = [state.frontend.samples, *state.frontend.maps, state.pooling.mean, state.pooling.log_weight]
        return sum(tensor.untyped_storage().nbytes() for tensor in tensors)

    streaming, chunk = StreamingModel(causal_detector()), torch.randn(3, 2 * HOP)
    state = streaming.empty_state(3)
    bytes_at_first, held_at_first = state.num_bytes(), held(state)
    for _ in range(50):
        _, state = streaming.step(state, chunk)
        assert (state.num_bytes(), held(state)) == (bytes_at_first, held_at_first)


def test_states_are_taken_and_put_back() -> None:
    streaming, waveforms = StreamingModel(causal_detector()), torch.randn(4, 6 * HOP)
    expected, _ = _scores(streaming, waveforms)
    with torch.inference_mode():
        everyone = streaming.empty_state(4)
        for chunk in waveforms.split(2 * HOP, dim=1):
            found = {}
            for some in (torch.tensor([3, 1]), torch.tensor([0, 2])):
                scores, state = streaming.step(everyone.take(some), chunk[some])
                everyone.put(some, state)
                found |= dict(zip(some.tolist(), scores[:, -1], strict=True))
    last = torch.stack([found[stream] for stream in range(4)])
    torch.testing.assert_close(last, expected[:, -1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"frontends": [{"kind": "sincnet"}]}, "SincNetFrontend in a stream"),
        ({"backend": {"kind": "bimamba"}}, "BiMamba in a stream"),
        ({"pooling": {"kind": "statistics"}}, "StatisticsPooling in a stream.*phase1-stream"),
    ],
)
def test_a_part_that_looks_ahead_is_refused(parts: dict[str, Any], message: str) -> None:
    causal = causal_detector().config.model_dump()
    with pytest.raises(ConfigError, match=message):
        StreamingModel(detector(config(**{**causal, **parts})))


def test_other_impossible_streams_are_refused() -> None:
    with pytest.raises(ConfigError, match="exactly one front-end"):
        StreamingModel(detector(two_streams()))
    with pytest.raises(ConfigError, match="SpectralLcnn"):
        StreamingModel(build_model(SpectralLcnnConfig(channels=(2, 2, 2, 2), num_bands=2)).eval())
    with pytest.raises(ConfigError, match="model in training"):
        StreamingModel(causal_detector().train())
    for half_life_s in (0, -1, math.nan):
        with pytest.raises(ConfigError, match="half_life_s"):
            StreamingModel(causal_detector(), half_life_s=half_life_s)
    streaming = StreamingModel(causal_detector())
    for num_samples in (0, HOP + 1):
        with pytest.raises(ConfigError, match=f"a multiple of {HOP}"):
            streaming.step(streaming.empty_state(1), torch.zeros(1, num_samples))


def test_a_causal_model_comes_back_from_its_file(tmp_path: Path) -> None:
    model, waveforms = causal_detector(), torch.randn(1, 20 * HOP)
    save_checkpoint(Checkpoint.of(model, "mine", model.config, {"partition": "dev"}), tmp_path / "m.safetensors")
    again = load_checkpoint(tmp_path / "m.safetensors").build()
    scores, expected = (_scores(StreamingModel(one), waveforms)[0] for one in (again, model))
    assert torch.equal(scores, expected)


def test_a_model_file_from_before_there_was_a_choice_looks_ahead() -> None:
    assert not SincNetConfig.model_validate({"kind": "sincnet"}).causal
