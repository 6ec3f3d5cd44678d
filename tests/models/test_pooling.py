"""Poolings over frames, and that padding has no part in them."""

import pytest
import torch
from pydantic import TypeAdapter

from moe_mamba_asv.models.pooling import (
    AttentivePooling,
    AttentivePoolingConfig,
    Pooling,
    PoolingConfig,
    build_pooling,
    statistics_pooling,
)

KINDS = ["mean", "statistics", "attentive"]
LENGTHS = torch.tensor([20, 13, 1])


def _pooling(kind: str) -> Pooling:
    torch.manual_seed(0)
    return build_pooling(TypeAdapter(PoolingConfig).validate_python({"kind": kind}), 8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pooling_says_its_width(kind: str) -> None:
    pooling = _pooling(kind)
    assert pooling(torch.randn(2, 20, 8)).shape == (2, pooling.width)
    assert pooling.width == (16 if kind == "statistics" else 8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("held", [1e3, torch.inf, torch.nan])
def test_padding_has_no_effect(kind: str, held: float) -> None:
    """Nor on the gradients."""
    pooling, frames = _pooling(kind), torch.randn(3, 20, 8)
    zeroed = frames.clone()
    for clip, length in enumerate(LENGTHS.tolist()):
        frames[clip, length:], zeroed[clip, length:] = held, 0
    frames.requires_grad_()
    pooled = pooling(frames, LENGTHS)
    assert torch.equal(pooled, pooling(zeroed, LENGTHS))
    for clip, length in enumerate(LENGTHS.tolist()):
        alone = pooling(frames[clip : clip + 1, :length])
        torch.testing.assert_close(pooled[clip], alone[0], rtol=0, atol=1e-6)
    leaves = (frames, *pooling.parameters())
    gradients = torch.autograd.grad(pooled.square().sum(), leaves)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert not gradients[0][1, 13:].any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_frames_does_not_matter(kind: str) -> None:
    pooling, frames = _pooling(kind), torch.randn(2, 20, 8)
    shuffled = frames[:, torch.randperm(20)]
    torch.testing.assert_close(pooling(shuffled), pooling(frames), rtol=0, atol=1e-6)


def test_mean_is_the_mean() -> None:
    frames = torch.tensor([[[1.0], [2.0], [6.0], [99.0]]]).expand(1, 4, 8)
    assert _pooling("mean")(frames, torch.tensor([3])).tolist() == [[3.0] * 8]


def test_statistics_are_those_of_the_light_cnn() -> None:
    frames = torch.randn(2, 20, 8)
    torch.testing.assert_close(_pooling("statistics")(frames), statistics_pooling(frames.mT), rtol=0, atol=1e-6)


def test_frames_that_do_not_vary_have_a_finite_gradient() -> None:
    frames = torch.ones(1, 20, 8, requires_grad=True)
    _pooling("statistics")(frames).sum().backward()
    assert frames.grad is not None
    assert frames.grad.isfinite().all()


def test_attention_finds_the_frame_that_it_is_told_to() -> None:
    """Weights that sum to 1: a mean where the network is indifferent, one frame where it is certain."""
    pooling = AttentivePooling(8, AttentivePoolingConfig(hidden=1))
    first, last = pooling.weigh[0], pooling.weigh[2]
    with torch.no_grad():
        last.weight.zero_()
    frames = torch.randn(1, 20, 8)
    torch.testing.assert_close(pooling(frames), frames.mean(1), rtol=0, atol=1e-6)
    with torch.no_grad():
        first.weight.copy_(torch.eye(1, 8))
        first.bias.zero_()
        last.weight.fill_(1e4)
    frames[0, 7, 0] = 30
    frames[0, :7, 0] = frames[0, 8:, 0] = -30
    torch.testing.assert_close(pooling(frames)[0], frames[0, 7], rtol=0, atol=1e-6)


def test_every_parameter_gets_a_gradient() -> None:
    pooling = _pooling("attentive")
    pooling(torch.randn(2, 20, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in pooling.parameters())


def test_the_hidden_width_changes_the_network() -> None:
    sizes = [AttentivePooling(8, AttentivePoolingConfig(hidden=hidden)).weigh[0].out_features for hidden in (4, 5)]
    assert sizes == [4, 5]
