"""Cross-entropy, focal loss and OC-Softmax: values by hand, what soft labels do, and no overflow."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from moe_mamba_asv.training.losses.cross_entropy import CrossEntropyConfig, cross_entropy
from moe_mamba_asv.training.losses.focal import FocalConfig, focal
from moe_mamba_asv.training.losses.oc_softmax import OcSoftmaxConfig, oc_softmax

#: Probabilities of [spoof, bona fide]: 1/4 and 3/4, then 1/2 and 1/2.
LOGITS = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
WEIGHTED = CrossEntropyConfig(class_weights=(0.1, 0.9))

on_logits = pytest.mark.parametrize(
    "loss",
    [
        lambda logits, labels: cross_entropy(logits, labels, WEIGHTED),
        lambda logits, labels: focal(logits, labels, FocalConfig()),
        lambda logits, labels: focal(logits, labels, FocalConfig(gamma=0.5)),
        lambda logits, labels: focal(logits, labels, FocalConfig(gamma=0)),
        lambda logits, labels: oc_softmax(logits[:, 1] - logits[:, 0], labels, OcSoftmaxConfig()),
    ],
    ids=["cross-entropy", "focal", "focal with gamma below 1", "focal with gamma 0", "oc-softmax"],
)
Loss = Callable[[Tensor, Tensor], Tensor]


def test_cross_entropy_is_the_weighted_mean() -> None:
    """By hand: (0.9 · ln 4/3 + 0.1 · ln 2) / (0.9 + 0.1)."""
    loss = cross_entropy(LOGITS, torch.tensor([1, 0]), WEIGHTED)
    assert loss.item() == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(2), rel=1e-6)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], [0, 1, 1]])
def test_cross_entropy_on_whole_labels_is_that_of_pytorch(labels: list[int]) -> None:
    logits, classes = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)), torch.tensor(labels)
    wanted = torch.nn.functional.cross_entropy(logits, classes, weight=torch.tensor(WEIGHTED.class_weights))
    torch.testing.assert_close(cross_entropy(logits, classes, WEIGHTED), wanted)


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        # 0.9 · (1/4)² · ln 4/3 and 0.9 · (1/2)² · ln 2
        ([1, 1], (0.016182 + 0.155958) / 2),
        # 0.1 · (3/4)² · ln 4 and 0.1 · (1/2)² · ln 2
        ([0, 0], (0.077979 + 0.017329) / 2),
    ],
)
def test_focal_is_the_published_form_and_alpha_weighs_bona_fide(labels: list[int], wanted: float) -> None:
    loss = focal(LOGITS, torch.tensor(labels), FocalConfig(alpha=0.9, gamma=2))
    assert loss.item() == pytest.approx(wanted, rel=1e-4)


def test_focal_without_focus_is_half_of_cross_entropy() -> None:
    labels = torch.tensor([1, 0])
    plain = cross_entropy(LOGITS, labels, CrossEntropyConfig())
    torch.testing.assert_close(2 * focal(LOGITS, labels, FocalConfig(alpha=0.5, gamma=0)), plain)


def test_phase_5_has_the_focal_loss_of_the_report() -> None:
    assert (FocalConfig().alpha, FocalConfig().gamma) == (0.9, 2.5)


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"alpha": 1}, {"gamma": -1}])
def test_focal_refuses_weights_without_meaning(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FocalConfig.model_validate(wrong)


def test_oc_softmax_is_the_published_form() -> None:
    """By hand: softplus(20 · (0.9 - 0.5)) for bona fide, softplus(20 · (0.1 - 0.2)) for spoof, and their mean."""
    loss = oc_softmax(torch.tensor([0.1, 0.5]), torch.tensor([0, 1]), OcSoftmaxConfig())
    assert loss.item() == pytest.approx((0.126928 + 8.000335) / 2, rel=1e-5)


@on_logits
@pytest.mark.parametrize("size", [1e4, 50.0, 0.0])
@pytest.mark.parametrize("label", [0, 1])
def test_saturated_logits_have_finite_losses_and_gradients(loss: Loss, size: float, label: int) -> None:
    """Each as wrong as can be, then as right as can be."""
    for sign in (1, -1):
        logits = torch.tensor([[sign * size, -sign * size]], requires_grad=True)
        value = loss(logits, torch.tensor([label]))
        value.backward()
        assert value.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        if size == 1e4 and sign == (1 if label else -1):
            assert value > 1e3
            assert logits.grad.abs().max() > 0


@on_logits
def test_gradients_are_those_of_the_values(loss: Loss) -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    for labels in (torch.tensor([0, 1, 1, 0]), torch.tensor([0.0, 0.3, 1.0, 0.8], dtype=torch.float64)):
        assert torch.autograd.gradcheck(lambda x, labels=labels: loss(x, labels), logits)


@on_logits
def test_a_soft_label_of_0_or_1_is_a_whole_one(loss: Loss) -> None:
    whole = torch.tensor([1, 0])
    torch.testing.assert_close(loss(LOGITS, whole.float()), loss(LOGITS, whole), rtol=0, atol=0)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_soft_label_takes_its_shares_of_both_classes(share: float) -> None:
    """Focal and OC-Softmax: of the two losses; cross-entropy: of the two, each by its class weight."""
    logits, soft = LOGITS[:1], torch.tensor([share])
    spoof, bonafide = torch.tensor([0]), torch.tensor([1])
    score = logits[:, 1] - logits[:, 0]
    for loss, config, inputs in ((focal, FocalConfig(), logits), (oc_softmax, OcSoftmaxConfig(), score)):
        mixed = (1 - share) * loss(inputs, spoof, config) + share * loss(inputs, bonafide, config)
        torch.testing.assert_close(loss(inputs, soft, config), mixed)
    weights = [0.1 * (1 - share), 0.9 * share]
    wanted = (weights[0] * math.log(4) + weights[1] * math.log(4 / 3)) / sum(weights)
    assert cross_entropy(logits, soft, WEIGHTED).item() == pytest.approx(wanted, rel=1e-6)


@settings(deadline=None)  # the first call loads parts of PyTorch
@given(logit=st.floats(-30, 30), step=st.floats(0.01, 5))
def test_a_surer_answer_costs_less_where_it_is_right_and_more_where_it_is_wrong(logit: float, step: float) -> None:
    logits = torch.tensor([[0, logit], [0, logit + step]], dtype=torch.float64)
    for loss, config in ((cross_entropy, WEIGHTED), (focal, FocalConfig())):
        for label, sign in ((1, -1), (0, 1)):
            less, more = (loss(row[None], torch.tensor([label]), config).item() for row in logits)
            assert sign * (more - less) > 0


def test_weights_keep_their_digits_in_bfloat16() -> None:
    """0.9 is 0.898 there."""
    logits, soft = LOGITS.bfloat16(), torch.tensor([0.123, 0.9])
    with torch.autocast("cpu", torch.bfloat16):
        for loss, config in ((cross_entropy, WEIGHTED), (focal, FocalConfig())):
            torch.testing.assert_close(loss(logits, soft, config), loss(logits.float(), soft, config))
