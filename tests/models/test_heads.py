"""Heads: what they answer, and that they own what they answer by."""

import pytest
import torch
from pydantic import TypeAdapter

from moe_mamba_asv.models.gradient_reversal import reverse_gradient
from moe_mamba_asv.models.heads import (
    AttackHead,
    DomainHead,
    HeadConfig,
    LinearHead,
    OneClassHead,
    ProjectionHead,
    build_head,
)


def test_a_linear_score_is_the_difference_of_the_logits() -> None:
    score, logits = LinearHead(8)(torch.randn(5, 8))
    assert logits.shape == (5, 2)
    assert torch.equal(score, logits[:, 1] - logits[:, 0])


def test_a_one_class_score_is_the_cosine_to_the_centre() -> None:
    torch.manual_seed(0)
    head, embedding = OneClassHead(8), torch.randn(5, 8)
    score, logits = head(embedding)
    assert logits is None
    wanted = (embedding @ head.centre) / (embedding.norm(dim=1) * head.centre.norm())
    torch.testing.assert_close(score, wanted)
    torch.testing.assert_close(head(10 * embedding)[0], score)  # an angle has no length


def test_a_one_class_score_never_leaves_its_range() -> None:
    torch.manual_seed(0)
    head = OneClassHead(144)
    scale = torch.logspace(-3, 3, 500)[:, None]
    ahead, behind = (head(sign * scale * head.centre)[0] for sign in (1, -1))
    assert (ahead <= 1).all()
    assert (behind >= -1).all()
    torch.testing.assert_close(ahead, torch.ones(500))
    torch.testing.assert_close(behind, -torch.ones(500))


def test_an_embedding_of_zero_has_a_finite_gradient() -> None:
    head, embedding = OneClassHead(8), torch.zeros(1, 8, requires_grad=True)
    score, _ = head(embedding)
    assert score.item() == 0
    score.sum().backward()
    assert embedding.grad is not None
    assert embedding.grad.isfinite().all()


def test_the_centre_is_learnt_and_travels_with_the_head() -> None:
    """A loss that owned it would leave a checkpoint that cannot score."""
    head, embedding = OneClassHead(8), torch.randn(5, 8)
    assert {name: tuple(value.shape) for name, value in head.state_dict().items()} == {"centre": (8,)}
    head(embedding)[0].sum().backward()
    assert head.centre.grad is not None
    assert head.centre.grad.any()
    other = OneClassHead(8)
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(embedding)[0], head(embedding)[0])


def test_a_one_class_score_keeps_its_digits_in_bfloat16() -> None:
    head, embedding = OneClassHead(144), torch.randn(5, 144).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        score, _ = head(embedding)
    assert score.dtype == torch.float32
    torch.testing.assert_close(score, head(embedding.float())[0])


def test_a_projection_has_unit_length() -> None:
    projected = ProjectionHead(8, 4)(torch.randn(5, 8))
    assert projected.shape == (5, 4)
    torch.testing.assert_close(projected.norm(dim=1), torch.ones(5))


def test_an_attack_head_has_a_logit_for_each_attack() -> None:
    assert AttackHead(8, 6)(torch.randn(5, 8)).shape == (5, 6)


def test_reversal_changes_the_sign_of_a_gradient_and_no_value() -> None:
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        values = torch.randn(1000, dtype=dtype) * torch.logspace(-30, 30, 1000, dtype=dtype)
        assert torch.equal(reverse_gradient(values), values)
    tensor = torch.randn(3, 2, requires_grad=True)
    turned = reverse_gradient(tensor)
    (turned * torch.arange(6.0).view(3, 2)).sum().backward()
    assert tensor.grad is not None
    assert torch.equal(tensor.grad, -torch.arange(6.0).view(3, 2))


def test_a_domain_head_learns_forwards_and_teaches_backwards() -> None:
    torch.manual_seed(0)
    head, embedding = DomainHead(8, 3), torch.randn(5, 8, requires_grad=True)
    plain = head.layers(embedding)
    learnt = [embedding, *head.parameters()]
    of_head, of_layers = (torch.autograd.grad(logits.square().sum(), learnt) for logits in (head(embedding), plain))
    assert plain.shape == (5, 3)
    assert torch.equal(head(embedding), plain)
    torch.testing.assert_close(of_head[0], -of_layers[0])
    torch.testing.assert_close(of_head[1:], of_layers[1:])


@pytest.mark.parametrize(
    "head", [LinearHead(8), OneClassHead(8), ProjectionHead(8, 4), AttackHead(8, 6), DomainHead(8, 3)]
)
def test_every_parameter_gets_a_gradient(head: torch.nn.Module) -> None:
    torch.manual_seed(0)
    answer = head(torch.randn(5, 8))
    answer = answer[0] if isinstance(answer, tuple) else answer
    (answer * torch.randn_like(answer)).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in head.parameters())


@pytest.mark.parametrize(("kind", "wanted"), [("linear", LinearHead), ("one-class", OneClassHead)])
def test_a_section_of_a_recipe_becomes_the_head_it_names(kind: str, wanted: type) -> None:
    assert isinstance(build_head(TypeAdapter(HeadConfig).validate_python({"kind": kind}), 8), wanted)
