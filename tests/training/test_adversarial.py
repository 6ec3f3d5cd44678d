"""The fast gradient method: how long the step is, where it leads, and what it leaves alone."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from made_batch import made_batch
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn, SpectralLcnnConfig
from moe_mamba_asv.training.adversarial import FgmConfig, adversarial_terms, fast_gradient
from moe_mamba_asv.training.losses.objective import ObjectiveConfig, objective_terms, task_loss
from moe_mamba_asv.training.losses.supcon import SupConConfig

NOISE = 0.1 * torch.randn(4, 4000, generator=torch.Generator().manual_seed(0))
BATCH = made_batch([1, 0, 0, 1], attacks=[0, 1, 2, 0], domains=[0, 1, 0, 1], waveforms=NOISE)
PLAIN = ObjectiveConfig.model_validate({"loss": {"kind": "cross-entropy"}})
SMALL = FgmConfig(epsilon=0.05)


def small_model(**options: Any) -> Countermeasure:
    parts: dict[str, Any] = {
        "frontends": [{"kind": "sincnet", "num_filters": 12, "channels": [4, 4, 4]}],
        "width": 8,
        "backend": {"kind": "moe-bimamba", "num_blocks": 2},
        "pooling": {"kind": "attentive", "hidden": 4},
        "head": {"kind": "linear"},
        **options,
    }
    torch.manual_seed(0)
    return Countermeasure(CountermeasureConfig.model_validate(parts)).eval()


def loss_of(frames: Tensor, factors: list[float]) -> Tensor:
    """Of each clip a multiple of the sum of its numbers."""
    return (frames.sum(dim=(1, 2)) * torch.tensor(factors)).sum()


def test_a_step_goes_along_the_gradient_as_far_as_a_part_of_the_norm() -> None:
    """By hand: norms of 10 and 4; four equal entries of a gradient have a length of twice one entry."""
    frames = torch.tensor([[[1.0, 1.0], [7.0, 7.0]], [[2.0, -2.0], [2.0, 2.0]]], requires_grad=True)
    step = fast_gradient(loss_of(frames, [5.0, -0.1]), frames, 0.1)
    torch.testing.assert_close(step[0], torch.full((2, 2), 1.0 / 2))
    torch.testing.assert_close(step[1], torch.full((2, 2), -0.4 / 2))
    assert not step.requires_grad


@settings(deadline=None)  # the first call loads parts of PyTorch
@given(exponent=st.integers(-37, 37))
def test_the_size_of_the_gradient_has_no_say(exponent: int) -> None:
    """The square of 1e-30 is 0 in float32, that of 1e30 infinite."""
    frames = torch.ones(1, 2, 2, requires_grad=True)
    step = fast_gradient(loss_of(frames, [10.0**exponent]), frames, 0.5)
    torch.testing.assert_close(step, torch.full((1, 2, 2), 0.5))


def test_a_clip_on_which_nothing_depends_is_not_moved() -> None:
    frames = torch.ones(2, 3, 2, requires_grad=True)
    step = fast_gradient(loss_of(frames, [0.0, 1.0]), frames, 0.5)
    assert torch.equal(step[0], torch.zeros(3, 2))
    assert step[1].norm() > 0


def test_the_moved_frames_cost_more_and_no_random_step_of_the_same_length_costs_as_much() -> None:
    model = small_model()
    _, terms = adversarial_terms(model, BATCH, PLAIN, SMALL)
    frames, _ = model.frames(BATCH.waveforms)
    length = SMALL.epsilon * frames.flatten(1).norm(dim=1)[:, None, None]
    costs = []
    for seed in range(10):
        step = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed))
        step *= length / step.flatten(1).norm(dim=1)[:, None, None]
        costs.append(task_loss(model.decide(frames + step), BATCH.labels, PLAIN.loss).item())
    assert terms["adversarial"].item() > max(*costs, terms["cross_entropy"].item())


def test_the_answer_and_the_other_terms_are_those_without_it() -> None:
    model = small_model(projection_width=8, num_attacks=3, num_domains=2)
    objective = PLAIN.model_copy(update={"supcon": SupConConfig(), "attack_type": 0.2, "domain": 0.1})
    output, terms = adversarial_terms(model, BATCH, objective, SMALL)
    wanted = model(BATCH.waveforms)
    torch.testing.assert_close(output.score, wanted.score)
    torch.testing.assert_close(dict(output.auxiliaries), dict(wanted.auxiliaries))
    adversarial = terms.pop("adversarial")
    torch.testing.assert_close(terms, objective_terms(wanted, BATCH, objective))
    assert adversarial > 0


def test_its_weight_scales_it() -> None:
    light, heavy = (
        adversarial_terms(small_model(), BATCH, PLAIN, FgmConfig(epsilon=0.05, weight=weight))[1]["adversarial"]
        for weight in (1, 3)
    )
    torch.testing.assert_close(3 * light, heavy)


def test_the_step_is_a_constant_to_the_gradient() -> None:
    """All weights get the gradient of frames with a fixed step added, the front-end's too; finding it leaves none."""
    model = small_model()
    frames, _ = model.frames(BATCH.waveforms)
    step = fast_gradient(task_loss(model.decide(frames), BATCH.labels, PLAIN.loss), frames, SMALL.epsilon)
    assert all(parameter.grad is None for parameter in model.parameters())
    by_hand = task_loss(model.decide(model.frames(BATCH.waveforms)[0] + step), BATCH.labels, PLAIN.loss)
    learnt = list(model.parameters())
    wanted = torch.autograd.grad(by_hand, learnt)
    _, terms = adversarial_terms(model, BATCH, PLAIN, SMALL)
    torch.testing.assert_close(torch.autograd.grad(terms["adversarial"], learnt, retain_graph=True), wanted)
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.frontends.parameters())


def test_the_front_end_listens_once() -> None:
    model, calls = small_model(), []
    model.frontends[0].register_forward_hook(lambda *_: calls.append("front-end"))
    model.backend.register_forward_hook(lambda *_: calls.append("back-end"))
    adversarial_terms(model, BATCH, PLAIN, SMALL)
    assert calls == ["front-end", "back-end", "back-end"]


def test_it_works_where_only_the_back_end_is_trained() -> None:
    model = small_model()
    model.frontends.requires_grad_(False)
    model.projections.requires_grad_(False)
    _, terms = adversarial_terms(model, BATCH, PLAIN, SMALL)
    torch.stack(list(terms.values())).sum().backward()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trained)
    assert terms["adversarial"] > terms["cross_entropy"]


@pytest.mark.parametrize("loss", ["focal", "oc-softmax"])
def test_it_serves_every_loss_and_soft_labels(loss: str) -> None:
    model = small_model(head={"kind": "one-class" if loss == "oc-softmax" else "linear"})
    soft = made_batch([1.0, 0.2, 0.0, 0.7], waveforms=NOISE)
    _, terms = adversarial_terms(model, soft, ObjectiveConfig.model_validate({"loss": {"kind": loss}}), SMALL)
    assert terms["adversarial"] > terms[loss.replace("-", "_")]


def test_a_model_without_a_back_end_of_frames_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"SpectralLcnn.*training\.fgm=null"):
        adversarial_terms(SpectralLcnn(SpectralLcnnConfig()), BATCH, PLAIN, SMALL)


@pytest.mark.parametrize("wrong", [{"epsilon": 0}, {"epsilon": 0.1, "weight": 0}, {}])
def test_a_step_without_length_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FgmConfig.model_validate(wrong)
