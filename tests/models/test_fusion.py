"""Two streams made one."""

import math
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.attention import sinusoidal_positions
from moe_mamba_asv.models.frontends.sincnet import SincNetConfig, SincNetFrontend
from moe_mamba_asv.models.fusion.align import resample_time
from moe_mamba_asv.models.fusion.build import FusionConfig, build_fusion
from moe_mamba_asv.models.fusion.fusion import Fusion

KINDS = ("concatenation", "cross-attention", "gated", "multi-scale", "squeeze-excitation")
WIDTH = 8


def _fusion(kind: str, **config: Any) -> Fusion:
    torch.manual_seed(0)
    return build_fusion(TypeAdapter(FusionConfig).validate_python({"kind": kind, **config}), WIDTH)


def _streams(num_first: int = 201, num_second: int = 29) -> tuple[Tensor, Tensor]:
    return torch.randn(3, num_first, WIDTH), torch.randn(3, num_second, WIDTH)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("num_first", "num_second"), [(201, 29), (29, 201), (12, 12), (5, 1), (1, 1)])
def test_the_faster_stream_sets_the_pace(kind: str, num_first: int, num_second: int) -> None:
    fused = _fusion(kind)(*_streams(num_first, num_second))
    assert fused.frames.shape == (3, max(num_first, num_second), WIDTH)
    assert fused.frames.isfinite().all()
    assert fused.shares.shape == (3, 2)
    assert not fused.shares.requires_grad
    torch.testing.assert_close(fused.shares.sum(1), torch.ones(3))


@pytest.mark.parametrize("kind", KINDS)
def test_both_streams_and_every_parameter_get_a_gradient(kind: str) -> None:
    fusion = _fusion(kind)
    streams = [stream.requires_grad_() for stream in _streams()]
    fusion(*streams).frames.square().mean().backward()
    for stream in streams:
        assert stream.grad.isfinite().all()
        assert stream.grad.any(dim=-1).all()  # in every frame
    for name, parameter in fusion.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_stream_has_no_share(kind: str) -> None:
    fusion = _fusion(kind)
    first, second = _streams()
    both = fusion(first, second).shares
    assert (both > 0.2).all()
    silent = torch.zeros(1, 201, WIDTH)
    # One clip of three: a share is a clip's own.
    quiet_second = torch.cat([second[:2], torch.zeros_like(second[:1])])
    shares = fusion(first, quiet_second).shares
    torch.testing.assert_close(shares[:2], both[:2])
    assert shares[2, 1] < 1e-6
    assert fusion(silent, second[:1]).shares[0, 0] < 1e-6
    assert fusion(silent, silent).shares[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("kind", ["concatenation", "gated", "multi-scale", "squeeze-excitation"])
def test_a_louder_stream_has_a_larger_share(kind: str) -> None:
    fusion = _fusion(kind)
    first, second = _streams()
    assert (fusion(first, 4 * second).shares[:, 1] > fusion(first, second).shares[:, 1]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_what_the_two_streams_add(kind: str) -> None:
    fusion = _fusion(kind)
    first, second = _streams(20, 20)
    parts = fusion.parts(first, second)
    fused = fusion(first, second)
    torch.testing.assert_close(fused.frames, parts[0] + parts[1])
    norms = torch.stack([part.square().sum((1, 2)).sqrt() for part in parts], dim=1)
    torch.testing.assert_close(fused.shares, norms / norms.sum(1, keepdim=True))


def test_concatenation_is_one_linear_of_both() -> None:
    fusion = _fusion("concatenation")
    first, second = _streams(20, 20)
    weight = torch.cat([fusion.project_first.weight, fusion.project_second.weight], dim=1)
    wanted = torch.cat([first, second], dim=-1) @ weight.T
    torch.testing.assert_close(fusion(first, second).frames, wanted)


def test_squeeze_excitation_is_the_published_one() -> None:
    fusion = _fusion("squeeze-excitation", reduction=4)
    first, second = _streams(20, 20)
    both = torch.cat([first, second], dim=-1)
    squeeze, _, excite, _ = fusion.excite
    assert squeeze.out_features == 2 * WIDTH // 4
    gates = torch.sigmoid(excite(torch.relu(squeeze(both.mean(1)))))
    weight = torch.cat([fusion.project_first.weight, fusion.project_second.weight], dim=1)
    torch.testing.assert_close(fusion(first, second).frames, (gates[:, None] * both) @ weight.T)


def test_gated_lies_between_the_streams() -> None:
    first, second = _streams(20, 20)
    frames = _fusion("gated")(first, second).frames
    assert (frames >= first.minimum(second) - 1e-6).all()
    assert (frames <= first.maximum(second) + 1e-6).all()


def test_multi_scale_is_one_depthwise_convolution_for_each_scale() -> None:
    fusion = _fusion("multi-scale", kernel_frames=(1, 5))
    first, second = _streams(20, 20)
    both = torch.cat([first, second], dim=-1).mT
    wanted = torch.zeros(3, 20, WIDTH)
    for scale, kernel in enumerate((1, 5)):
        weight = torch.cat([fusion.scales_first[scale].weight, fusion.scales_second[scale].weight])
        seen = nn.functional.gelu(nn.functional.conv1d(both, weight, padding=kernel // 2, groups=2 * WIDTH)).mT
        own = slice(scale * WIDTH, (scale + 1) * WIDTH)
        project = torch.cat([fusion.project_first.weight[:, own], fusion.project_second.weight[:, own]], dim=1)
        wanted += seen @ project.T
    torch.testing.assert_close(fusion(first, second).frames, wanted)


def test_cross_attention_is_that_of_pytorch() -> None:
    fusion = _fusion("cross-attention", heads=2)
    first, second = _streams(20, 20)
    first_normed, second_normed = fusion.norm_first(first), fusion.norm_second(second)

    def found(lookup: nn.Module, asking: Tensor, asked: Tensor) -> Tensor:
        attention = nn.MultiheadAttention(WIDTH, 2, bias=False, batch_first=True)
        weights = [lookup.queries.weight, lookup.keys.weight, lookup.values.weight]
        attention.load_state_dict({"in_proj_weight": torch.cat(weights), "out_proj.weight": lookup.joined.weight})
        positions = sinusoidal_positions(asking)
        return attention(asking + positions, asked + positions, asked, need_weights=False)[0]

    first_knows = first_normed + found(fusion.first_asks, first_normed, second_normed)
    second_knows = second_normed + found(fusion.second_asks, second_normed, first_normed)
    wanted = fusion.project_first(first_knows) + fusion.project_second(second_knows)
    torch.testing.assert_close(fusion(first, second).frames, wanted)


def test_cross_attention_knows_the_time() -> None:
    lookup = _fusion("cross-attention").first_asks
    first, second = _streams(20, 20)
    assert not torch.allclose(lookup(first, second), lookup(first, second.flip(1)), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_goes_through(kind: str) -> None:
    fused = _fusion(kind).bfloat16()(*(stream.bfloat16() for stream in _streams()))
    assert fused.frames.dtype == torch.bfloat16
    torch.testing.assert_close(fused.shares.sum(1), torch.ones(3))


@pytest.mark.parametrize(("num_given", "num_wanted"), [(29, 201), (201, 29), (1, 7), (7, 1), (73, 499), (12, 12)])
def test_resampling_is_that_of_pytorch(num_given: int, num_wanted: int) -> None:
    frames = torch.randn(2, num_given, 3, requires_grad=True)
    wanted = nn.functional.interpolate(frames.mT, size=num_wanted, mode="linear", align_corners=False).mT
    resampled = resample_time(frames, num_wanted)
    # Positions up to 201 in float32, times differences of frames.
    torch.testing.assert_close(resampled, wanted, rtol=0, atol=1e-4)
    weight = torch.randn(2, num_wanted, 3)
    gradients = [torch.autograd.grad((answer * weight).sum(), frames)[0] for answer in (resampled, wanted)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-3)


def test_resampling_keeps_a_moment_in_its_place() -> None:
    """The middle of a frame, as a share of the clip, against the same of the other grid."""
    middles = (torch.arange(29.0) + 0.5) / 29
    resampled = resample_time(middles.reshape(1, 29, 1), 201).flatten()
    inside = slice(4, 197)  # at the ends, the first and last frame are held
    torch.testing.assert_close(resampled[inside], ((torch.arange(201.0) + 0.5) / 201)[inside])


@pytest.mark.parametrize("kind", ["concatenation", "gated", "multi-scale"])
def test_the_end_of_a_clip_reaches_the_last_frames_and_not_the_first(kind: str) -> None:
    """Old bug: alignment by truncation, after which the first 0.6 s of one stream stood for all of it."""
    torch.manual_seed(0)
    frontend = SincNetFrontend(SincNetConfig(num_filters=9, channels=(2,) * 6, band_channels=3)).eval()
    project = nn.Linear(frontend.width, WIDTH)
    fusion = _fusion(kind)
    beside = torch.randn(1, 201, WIDTH)
    waveforms = torch.randn(1, 64_600)
    changed = waveforms.clone()
    changed[:, -16_000:] = torch.randn(16_000)
    before, after = (fusion(beside, project(frontend(audio))).frames for audio in (waveforms, changed))
    moved = (before != after).any(-1)[0]
    assert moved[-40:].all()
    first_moved = math.floor(201 * (64_600 - 16_000) / 64_600)
    # Two sinc frames of receptive field and interpolation, 7 frames each, and half of the longest kernel.
    assert not moved[: first_moved - 2 * 7 - 13].any()


def test_the_slow_stream_may_come_first() -> None:
    first, second = _streams(29, 201)
    changed = first.clone()
    changed[:, -1] += 1
    fusion = _fusion("concatenation")
    moved = (fusion(first, second).frames != fusion(changed, second).frames).any(-1)[0]
    assert moved[-5:].all()
    assert not moved[:180].any()


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("cross-attention", {"heads": 2}),
        ("multi-scale", {"kernel_frames": (3, 9)}),
        ("squeeze-excitation", {"reduction": 2}),
    ],
)
def test_every_field_changes_the_answer(kind: str, change: dict[str, Any]) -> None:
    streams = _streams()
    assert not torch.equal(_fusion(kind)(*streams).frames, _fusion(kind, **change)(*streams).frames)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "sum"}, "'concatenation', 'cross-attention', 'gated', 'multi-scale', 'squeeze-excitation'"),
        ({"kind": "gated", "heads": 4}, "heads"),
        ({"kind": "multi-scale", "kernel_frames": [3, 4]}, "wanted odd numbers"),
        ({"kind": "multi-scale", "kernel_frames": []}, "kernel_frames"),
        ({"kind": "squeeze-excitation", "reduction": 0}, "reduction"),
    ],
)
def test_an_impossible_fusion_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(FusionConfig).validate_python(config)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 attention heads for frames of width 8"):
        _fusion("cross-attention", heads=3)


def test_a_large_reduction_leaves_one_number() -> None:
    assert _fusion("squeeze-excitation", reduction=1000).excite[0].out_features == 1
