"""The objective: which terms there are, what each weighs, and what is said where a model or a batch lacks something."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from made_batch import made_batch
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.output import CountermeasureOutput
from moe_mamba_asv.training.losses.attack_type import attack_type
from moe_mamba_asv.training.losses.cross_entropy import CrossEntropyConfig, cross_entropy
from moe_mamba_asv.training.losses.domain import domain
from moe_mamba_asv.training.losses.focal import FocalConfig, focal
from moe_mamba_asv.training.losses.objective import ObjectiveConfig, objective_terms
from moe_mamba_asv.training.losses.oc_softmax import OcSoftmaxConfig, oc_softmax
from moe_mamba_asv.training.losses.supcon import SupConConfig, supcon

BATCH = made_batch([1, 0, 0, 1], attacks=[0, 1, 2, 0], domains=[0, 1, 1, 2])
SOFT = made_batch([1.0, 0.2, 0.0, 0.7], attacks=[0, 1, 2, 0], domains=[0, 1, 1, 2])
CROSS_ENTROPY, OC_SOFTMAX = CrossEntropyConfig(), OcSoftmaxConfig()
#: Every term there is.
ALL: dict[str, Any] = {
    "load_balance": 0.01,
    "supcon": SupConConfig(weight=0.1),
    "attack_type": 0.2,
    "domain": 0.3,
}


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def answer(*without: str, linear: bool = True) -> CountermeasureOutput:
    """To a batch of four, with whatever a model could have beside its score."""
    auxiliaries = {
        "load_balance": torch.tensor(1.5),
        "projection": numbers(4, 8),
        "attack_logits": numbers(4, 3),
        "domain_logits": numbers(4, 3).flip(0),
    }
    for name in without:
        del auxiliaries[name]
    return CountermeasureOutput(numbers(4).tanh(), numbers(4, 5), numbers(4, 2) if linear else None, auxiliaries)


def test_every_term_has_its_weight() -> None:
    output = answer()
    terms = objective_terms(output, BATCH, ObjectiveConfig(loss=CROSS_ENTROPY, **ALL))
    assert output.logits is not None
    torch.testing.assert_close(
        terms,
        {
            "cross_entropy": cross_entropy(output.logits, BATCH.labels, CROSS_ENTROPY),
            "load_balance": torch.tensor(0.01 * 1.5),
            "supcon": 0.1 * supcon(output.auxiliaries["projection"], BATCH.labels, 0.07),
            "attack_type": 0.2 * attack_type(output.auxiliaries["attack_logits"], BATCH.attacks),
            "domain": 0.3 * domain(output.auxiliaries["domain_logits"], BATCH.domains),
        },
    )


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, FocalConfig(), OC_SOFTMAX], ids=lambda loss: loss.kind)
@pytest.mark.parametrize("batch", [BATCH, SOFT], ids=["whole labels", "soft labels"])
def test_the_loss_of_the_task_is_the_one_that_is_named(loss: Any, batch: Any) -> None:
    output = answer(linear=loss.kind != "oc-softmax")
    compute: Any = {"cross-entropy": cross_entropy, "focal": focal, "oc-softmax": oc_softmax}[loss.kind]
    inputs = output.score if output.logits is None else output.logits
    terms = objective_terms(output, batch, ObjectiveConfig(loss=loss, load_balance=0))
    torch.testing.assert_close(terms, {loss.kind.replace("-", "_"): compute(inputs, batch.labels, loss)})


def test_a_weight_of_zero_leaves_a_term_out() -> None:
    output = answer("projection", "attack_logits", "domain_logits")
    assert objective_terms(output, BATCH, ObjectiveConfig(loss=CROSS_ENTROPY, load_balance=0)).keys() == {
        "cross_entropy"
    }
    assert objective_terms(answer(), BATCH, ObjectiveConfig(loss=CROSS_ENTROPY)).keys() == {
        "cross_entropy",
        "load_balance",
    }
    assert "load_balance" not in objective_terms(answer("load_balance"), BATCH, ObjectiveConfig(loss=CROSS_ENTROPY))


def test_supcon_may_go_by_attack() -> None:
    output = answer()
    config = ObjectiveConfig(loss=CROSS_ENTROPY, supcon=SupConConfig(weight=1, by="attack"))
    by_attack = objective_terms(output, BATCH, config)["supcon"]
    torch.testing.assert_close(by_attack, supcon(output.auxiliaries["projection"], BATCH.attacks, 0.07))
    assert by_attack != supcon(output.auxiliaries["projection"], BATCH.labels, 0.07)


@pytest.mark.parametrize(
    ("missing", "term", "remedy"),
    [
        ("projection", {"supcon": SupConConfig()}, "--set model.projection_width=64"),
        ("attack_logits", {"attack_type": 0.1}, "--set model.num_attacks=3"),
        ("domain_logits", {"domain": 0.1}, "--set model.num_domains=3"),
    ],
)
def test_a_loss_without_its_head_says_what_to_set(missing: str, term: dict[str, Any], remedy: str) -> None:
    with pytest.raises(TrainingError, match=remedy):
        objective_terms(answer(missing), BATCH, ObjectiveConfig(loss=CROSS_ENTROPY, **term))


def test_a_single_corpus_is_offered_a_head_that_can_be_built() -> None:
    with pytest.raises(TrainingError, match=r"--set model\.num_domains=2"):
        objective_terms(
            answer("domain_logits"), made_batch([1, 0, 0, 0]), ObjectiveConfig(loss=CROSS_ENTROPY, domain=1)
        )


@pytest.mark.parametrize("term", ["attack_type", "domain"])
def test_a_head_with_too_few_classes_says_how_many(term: str) -> None:
    batch = made_batch([1, 0, 0, 0], attacks=[0, 1, 4, -1], domains=[4, 0, 0, 0])
    with pytest.raises(TrainingError, match=r"of 3 classes for a clip of class 4; try: --set model\.num_\w+=5"):
        objective_terms(answer(), batch, ObjectiveConfig.model_validate({"loss": CROSS_ENTROPY, term: 0.1}))


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, FocalConfig()], ids=lambda loss: loss.kind)
def test_a_loss_on_logits_is_refused_without_them(loss: Any) -> None:
    with pytest.raises(TrainingError, match=r"model\.head\.kind=linear"):
        objective_terms(answer(linear=False), BATCH, ObjectiveConfig(loss=loss))


def test_oc_softmax_is_refused_on_a_linear_head() -> None:
    with pytest.raises(TrainingError, match=r"model\.head\.kind=one-class"):
        objective_terms(answer(), BATCH, ObjectiveConfig(loss=OC_SOFTMAX))


@pytest.mark.parametrize("term", ["supcon", "attack_type", "domain"])
def test_mixed_clips_have_no_one_class(term: str) -> None:
    with pytest.raises(TrainingError, match=f"either mixup or {term}"):
        objective_terms(answer(), SOFT, ObjectiveConfig(loss=CROSS_ENTROPY, **{term: ALL[term]}))


def test_the_sum_teaches_every_part_of_a_model() -> None:
    output = answer()
    leaves = [output.logits, *output.auxiliaries.values()]
    for leaf in leaves:
        assert leaf is not None
        leaf.requires_grad_()
    terms = objective_terms(output, BATCH, ObjectiveConfig(loss=CROSS_ENTROPY, **ALL))
    torch.stack(list(terms.values())).sum().backward()
    assert all(leaf is not None and leaf.grad is not None and leaf.grad.any() for leaf in leaves)


@pytest.mark.parametrize("name", ["load_balance", "attack_type", "domain", "l2_sp"])
def test_a_negative_weight_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        ObjectiveConfig.model_validate({"loss": {"kind": "focal"}, name: -0.1})
