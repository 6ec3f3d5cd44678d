"""Supervised contrastive loss: values by hand, what has no say in it, and batches in which nothing is alike."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from moe_mamba_asv.training.losses.supcon import SupConConfig, supcon

#: Right, up and left: cosines of 0 between neighbours, and of -1 between the first and the last.
THREE = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
#: log(exp(0) + exp(-1)), over what the first and the last are compared to.
L = math.log(1 + math.exp(-1))


def noise(size: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(size, 5, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def test_a_clip_without_another_of_its_class_is_only_compared_to() -> None:
    """By hand: the first has the second at cosine 0, and L over both others; the second has log 2 over them."""
    assert supcon(THREE, torch.tensor([0, 0, 1]), 1).item() == pytest.approx((L + math.log(2)) / 2, rel=1e-6)


def test_it_averages_outside_of_the_logarithm() -> None:
    """By hand: -((0 - L) + (-1 - L)) / 2 for the outer ones; an average inside would make log 2 of all."""
    assert supcon(THREE, torch.tensor([4, 4, 4]), 1).item() == pytest.approx((2 * L + 1 + math.log(2)) / 3, rel=1e-6)


def test_temperature_divides_the_cosine() -> None:
    """By hand: the second's others are as far as each other at any temperature; the first's are 0 and -2."""
    wanted = (math.log(1 + math.exp(-2)) + math.log(2)) / 2
    assert supcon(THREE, torch.tensor([0, 0, 1]), 0.5).item() == pytest.approx(wanted, rel=1e-6)


def test_length_has_no_say() -> None:
    classes = torch.tensor([0, 1, 0, 1])
    lengths = torch.tensor([[0.1], [3.0], [1.0], [200.0]])
    torch.testing.assert_close(supcon(noise(4) * lengths, classes, 0.07), supcon(noise(4), classes, 0.07))


@pytest.mark.parametrize(
    "classes", [[0, 1, 2], [-1, -1, -1], [-1, -1, 0], [0], [-1], []], ids=lambda classes: f"classes {classes}"
)
def test_where_nothing_is_alike_it_is_zero_with_a_gradient(classes: list[int]) -> None:
    projection = noise(len(classes)).requires_grad_()
    loss = supcon(projection, torch.tensor(classes, dtype=torch.long), 0.07)
    loss.backward()
    assert loss.item() == 0
    assert projection.grad is not None
    assert torch.equal(projection.grad, torch.zeros_like(projection))


def test_a_clip_whose_class_is_not_known_is_left_out() -> None:
    classes = torch.tensor([0, -1, 0, 1, -1])
    wanted = supcon(noise(5)[[0, 2, 3]], torch.tensor([0, 0, 1]), 0.07)
    torch.testing.assert_close(supcon(noise(5), classes, 0.07), wanted)


@pytest.mark.parametrize("temperature", [1.0, 0.07])
def test_gradients_are_those_of_the_values(temperature: float) -> None:
    classes = torch.tensor([0, 1, 0, 2, 1, 1])
    assert torch.autograd.gradcheck(lambda x: supcon(x, classes, temperature), noise(6).requires_grad_())


def test_a_low_temperature_does_not_overflow() -> None:
    """exp(1 / 0.001) has no float32."""
    projection = torch.tensor([[1.0, 0], [1, 1e-4], [-1, 0], [-1, 1e-4]], requires_grad=True)
    alike = supcon(projection, torch.tensor([0, 0, 1, 1]), 0.001)
    apart = supcon(projection, torch.tensor([0, 1, 0, 1]), 0.001)
    assert alike.item() == pytest.approx(0, abs=1e-3)
    assert apart.item() == pytest.approx(2000, rel=1e-3)
    apart.backward()
    assert projection.grad is not None
    assert projection.grad.isfinite().all()


def test_it_keeps_its_digits_in_bfloat16() -> None:
    projection, classes = noise(6).bfloat16(), torch.tensor([0, 1, 0, 1, 1, 0])
    with torch.autocast("cpu", torch.bfloat16):
        loss = supcon(projection, classes, 0.07)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, supcon(projection.float(), classes, 0.07))


@settings(deadline=None)  # the first call loads parts of PyTorch
@given(classes=st.lists(st.integers(-1, 3), min_size=1, max_size=9), seed=st.integers(0, 99), data=st.data())
def test_it_is_never_negative_and_the_order_and_names_of_classes_have_no_say(
    classes: list[int], seed: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(classes))))
    projection, numbers = noise(len(classes), seed), torch.tensor(classes)
    loss = supcon(projection, numbers, 0.07)
    assert loss >= 0
    torch.testing.assert_close(supcon(projection[order], numbers[order], 0.07), loss)
    renamed = (7 - numbers).where(numbers >= 0, -1)
    torch.testing.assert_close(supcon(projection, renamed, 0.07), loss)


def test_descent_brings_a_class_together() -> None:
    projection, classes = noise(8).requires_grad_(), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    optimizer = torch.optim.Adam([projection], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        supcon(projection, classes, 1).backward()
        optimizer.step()
    unit = torch.nn.functional.normalize(projection.detach(), dim=1)
    cosines = unit @ unit.T
    alike = classes[:, None] == classes
    assert cosines[alike].min() > 0.9
    assert cosines[~alike].max() < 0


@pytest.mark.parametrize("wrong", [{"weight": 0}, {"temperature": 0}, {"by": "speaker"}])
def test_a_configuration_without_meaning_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SupConConfig.model_validate(wrong)


def test_phase_3_has_the_weight_and_temperature_of_the_report() -> None:
    assert (SupConConfig().weight, SupConConfig().temperature, SupConConfig().by) == (0.1, 0.07, "label")
