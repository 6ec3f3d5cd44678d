"""The Transformer encoder."""

import math

import pytest
import torch

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.attention import attend, sinusoidal_positions
from moe_mamba_asv.models.backends.transformer import TransformerConfig, TransformerEncoder


def _encoder(**config: int | float) -> TransformerEncoder:
    torch.manual_seed(0)
    return TransformerEncoder(8, TransformerConfig.model_validate({"num_blocks": 2, **config}))


def test_a_padded_batch_equals_the_clips_alone() -> None:
    model = _encoder().eval()
    frames, lengths = torch.randn(3, 20, 8), torch.tensor([20, 13, 1])
    frames[1, 13:], frames[2, 1:] = 1e3, torch.inf
    batch = model(frames, lengths).frames
    for clip, length in enumerate(lengths.tolist()):
        alone = model(frames[clip : clip + 1, :length]).frames
        torch.testing.assert_close(batch[clip, :length], alone[0], rtol=0, atol=1e-5)


def test_what_padding_holds_changes_no_bit() -> None:
    model = _encoder().eval()
    frames, lengths = torch.randn(2, 20, 8), torch.tensor([20, 13])
    other = frames.clone()
    other[1, 13:] += 1
    assert torch.equal(model(frames, lengths).frames, model(other, lengths).frames)


def test_every_parameter_gets_a_gradient() -> None:
    model = _encoder()
    model(torch.randn(2, 20, 8)).frames.square().mean().backward()
    idle = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert idle == []


def test_every_frame_sees_every_frame_and_knows_its_place() -> None:
    model = _encoder().eval().double()
    frames = torch.randn(1, 20, 8, dtype=torch.float64)
    changed = frames.clone()
    changed[:, 10] = torch.randn(8)
    assert (model(frames).frames != model(changed).frames).any(-1).all()
    turned = model(frames.flip(1)).frames.flip(1)
    assert not torch.allclose(turned, model(frames).frames, atol=1e-3)


def test_attention_is_the_published_one() -> None:
    """Written out head by head."""
    queries, keys, values = torch.randn(3, 1, 5, 8, dtype=torch.float64)
    seen = torch.tensor([[True, True, True, True, False]])
    heads = []
    for head in range(4):
        own = slice(2 * head, 2 * head + 2)
        logits = queries[..., own] @ keys[..., own].mT / math.sqrt(2)
        weights = logits.masked_fill(~seen[:, None], -torch.inf).softmax(-1)
        heads.append(weights @ values[..., own])
    torch.testing.assert_close(attend(queries, keys, values, 4, seen), torch.cat(heads, dim=-1))


@pytest.mark.parametrize("width", [6, 7])
def test_positions_are_the_published_ones(width: int) -> None:
    positions = sinusoidal_positions(torch.zeros(1, 3000, width))
    for frame, channel in [(0, 0), (0, 1), (7, 2), (2999, 3), (2999, 5)]:
        angle = frame / 10_000 ** ((channel - channel % 2) / width)
        wanted = math.cos(angle) if channel % 2 else math.sin(angle)
        # An angle of 3000 has 24 bits in float32.
        assert positions[frame, channel].item() == pytest.approx(wanted, abs=3e-4)


@pytest.mark.parametrize("change", [{"num_blocks": 3}, {"heads": 2}, {"expansion": 2}, {"dropout": 0.5}])
def test_every_field_changes_the_network(change: dict[str, int]) -> None:
    frames, answers = torch.randn(2, 20, 8), []
    for config in ({}, change):
        model = _encoder(**config)
        torch.manual_seed(1)
        answers.append(model(frames).frames)
    assert not torch.equal(*answers)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 attention heads for frames of width 8"):
        TransformerEncoder(8, TransformerConfig(heads=3))
