"""L2-SP: half a squared distance, whose gradient points away from the start."""

import pytest
import torch

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.losses.l2_sp import l2_sp


def test_it_is_half_the_squared_distance_over_all_parameters() -> None:
    """By hand: (1² + 2² + 2²) / 2."""
    parameters = [torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([[3.0]], requires_grad=True)]
    start = [torch.zeros(2), torch.ones(1, 1)]
    loss = l2_sp(parameters, start)
    assert loss.item() == 4.5
    loss.backward()
    for parameter, origin in zip(parameters, start, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, parameter.detach() - origin)


def test_it_is_zero_at_the_start_and_without_parameters() -> None:
    model = torch.nn.Linear(3, 2)
    start = [parameter.detach().clone() for parameter in model.parameters()]
    assert l2_sp(model.parameters(), iter(start)).item() == 0
    assert l2_sp([], []).item() == 0


@pytest.mark.parametrize("start", [[], [torch.zeros(1)], [torch.zeros(3), torch.zeros(3)]])
def test_weights_of_another_model_are_refused(start: list[torch.Tensor]) -> None:
    """A start of one number would be taken for all of a parameter's."""
    with pytest.raises(TrainingError, match="started from"):
        l2_sp([torch.zeros(3)], start)
