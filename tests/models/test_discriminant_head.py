"""The head in closed form: against a solution of all clips at once, in whatever order and portions they are shown."""

import numpy as np
import pytest
import torch
from torch import Tensor

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.discriminant_head import DiscriminantHead, DiscriminantHeadConfig

WIDTH = 5
SIZES = (40, 25, 30)  # bona fide, and two attacks


def _clips(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings whose numbers differ in size and are correlated, and the attack of each."""
    rng = np.random.default_rng(seed)
    blend = rng.normal(size=(WIDTH, WIDTH)) * np.logspace(-2, 2, WIDTH)
    centres = rng.normal(size=(len(SIZES), WIDTH))
    attacks = np.repeat(np.arange(len(SIZES)), SIZES)
    embeddings = (rng.normal(size=(len(attacks), WIDTH)) + centres[attacks]) @ blend + 3
    return torch.tensor(embeddings, dtype=torch.float32), torch.tensor(attacks)


def _head(embeddings: Tensor, attacks: Tensor, *, num_attacks: int = 2, portion: int = 8) -> DiscriminantHead:
    head = DiscriminantHead(WIDTH, DiscriminantHeadConfig(num_attacks=num_attacks, shrinkage=0.3))
    for first in range(0, len(attacks), portion):
        head.observe(embeddings[first : first + portion], attacks[first : first + portion])
    return head


def _wanted(embeddings: Tensor, attacks: Tensor) -> np.ndarray:
    """The log-likelihood ratios, from means and the covariance themselves."""
    clips = embeddings.double().numpy()
    clips = (clips - clips.mean(0)) / clips.std(0)
    kinds = attacks.numpy()
    means = np.stack([clips[kinds == kind].mean(0) for kind in range(len(SIZES))])
    within = (clips - means[kinds]).T @ (clips - means[kinds]) / len(clips)
    shrunk = 0.7 * within + 0.3 * np.trace(within) / WIDTH * np.eye(WIDTH)
    inverse = np.linalg.inv(shrunk)
    likelihoods = -0.5 * np.einsum("kci,ij,kcj->ck", d := clips[None] - means[:, None], inverse, d)
    return likelihoods[:, 0] - np.log(np.exp(likelihoods[:, 1:]).mean(1))


def test_it_is_the_solution_of_all_clips_at_once() -> None:
    embeddings, attacks = _clips()
    head = _head(embeddings, attacks)
    score, logits = head(embeddings)
    wanted = np.exp(head.log_scale.item()) * _wanted(embeddings, attacks)
    np.testing.assert_allclose(score.detach().numpy(), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], score)
    assert score[attacks == 0].mean() > score[attacks > 0].mean() + 0.1


def test_neither_order_nor_portions_nor_classes_that_nobody_saw_count() -> None:
    embeddings, attacks = _clips()
    wanted = _head(embeddings, attacks)(embeddings)[0]
    order = torch.randperm(len(attacks), generator=torch.Generator().manual_seed(1))
    for head in (_head(embeddings[order], attacks[order], portion=1), _head(embeddings, attacks, num_attacks=9)):
        torch.testing.assert_close(head(embeddings)[0], wanted, rtol=1e-4, atol=1e-5)


def test_an_attack_without_a_name_is_a_class_of_its_own() -> None:
    embeddings, attacks = _clips()
    unnamed = torch.where(attacks == 2, -1, attacks)
    torch.testing.assert_close(
        _head(embeddings, unnamed)(embeddings)[0], _head(embeddings, attacks)(embeddings)[0], rtol=1e-4, atol=1e-5
    )


def test_an_attack_too_many_says_what_to_set() -> None:
    with pytest.raises(ConfigError, match=r"num_attacks=3"):
        _head(torch.zeros(2, WIDTH), torch.tensor([0, 3]))


def test_before_both_classes_were_seen_it_says_nothing_and_all_numbers_are_finite() -> None:
    embeddings, attacks = _clips()
    for shown in (attacks < 0, attacks == 0, attacks > 0):
        head = _head(embeddings[shown], attacks[shown])
        assert (head(embeddings)[0] == 0).all()
        assert all(value.isfinite().all() for value in head.state_dict().values())


def test_numbers_that_never_change_and_single_clips_do_not_break_it() -> None:
    head = _head(torch.ones(2, WIDTH), torch.tensor([0, 1]))
    assert head(torch.ones(2, WIDTH))[0].isfinite().all()
    head.observe(torch.randn(1, WIDTH), torch.tensor([2]))
    assert head(torch.randn(3, WIDTH))[0].isfinite().all()


def test_gradient_finds_scale_and_offset_and_passes_through() -> None:
    embeddings, attacks = _clips()
    head = _head(embeddings, attacks)
    embeddings.requires_grad_()
    head(embeddings)[0].square().sum().backward()
    assert {name for name, _ in head.named_parameters()} == {"log_scale", "offset"}
    for tensor in (*head.parameters(), embeddings):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0
