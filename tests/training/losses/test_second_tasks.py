"""Attack types and corpora: mean cross-entropies, what is not known in them, and which way they pull."""

import math

import pytest
import torch

from moe_mamba_asv.models.heads import DomainHead
from moe_mamba_asv.training.losses.attack_type import attack_type
from moe_mamba_asv.training.losses.domain import domain

#: Probabilities 1/4 and 3/4; 1/2 each.
LOGITS = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])


def test_attack_type_is_the_mean_over_known_attacks() -> None:
    """By hand: ln 4 of the first and ln 2 of the second."""
    assert attack_type(LOGITS, torch.tensor([0, 1])).item() == pytest.approx(1.5 * math.log(2), rel=1e-6)
    assert attack_type(LOGITS, torch.tensor([0, -1])).item() == pytest.approx(math.log(4), rel=1e-6)
    assert attack_type(LOGITS, torch.tensor([-1, 1])).item() == pytest.approx(math.log(2), rel=1e-6)


def test_attack_type_is_zero_with_a_gradient_where_no_attack_is_known() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = attack_type(logits, torch.tensor([-1, -1]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_domain_is_the_mean_cross_entropy() -> None:
    assert domain(LOGITS, torch.tensor([0, 1])).item() == pytest.approx(1.5 * math.log(2), rel=1e-6)


def test_a_step_of_descent_helps_the_domain_head_and_hinders_it_through_the_embedding() -> None:
    torch.manual_seed(0)
    domains, embedding, head = torch.arange(8) % 2, torch.randn(8, 4, requires_grad=True), DomainHead(4, 2)
    before = domain(head(embedding), domains)
    before.backward()
    for learner, change in ((list(head.parameters()), "down"), ([embedding], "up")):
        kept = [tensor.detach().clone() for tensor in learner]
        with torch.no_grad():
            for tensor in learner:
                assert tensor.grad is not None
                tensor -= 0.1 * tensor.grad
            after = domain(head(embedding), domains)
            for tensor, old in zip(learner, kept, strict=True):
                tensor.copy_(old)
        assert (after < before) == (change == "down")
        assert after != before
