"""Hidden states, mixed as they are or standardised."""

import pytest
import torch
from pydantic import ValidationError

from moe_mamba_asv.models.frontends.layer_mix import LayerMix
from moe_mamba_asv.models.frontends.ssl_config import SslConfig


def states(scale: float) -> list[torch.Tensor]:
    drawn = torch.randn(2, 8, 50, 6, generator=torch.Generator().manual_seed(0))
    return [5 + scale * drawn[0], drawn[1]]


def test_without_standardising_a_large_state_speaks_for_all() -> None:
    mixed = LayerMix(2)(states(1_000))
    torch.testing.assert_close(mixed, sum(states(1_000)) / 2)


def test_standardised_states_count_alike_whatever_their_size() -> None:
    small, large = (LayerMix(2, standardised=6).train()(states(scale)) for scale in (1, 1_000))
    torch.testing.assert_close(small, large, atol=1e-4, rtol=0)
    assert small.mean((0, 1)).abs().max() < 1e-5


def test_after_training_a_clip_is_measured_by_what_training_heard() -> None:
    mix = LayerMix(2, standardised=6).train()
    for _ in range(200):
        mix(states(3))
    one = [state[:1] for state in states(3)]
    torch.testing.assert_close(mix.eval()(one), mix.train()(states(3))[:1], atol=2e-2, rtol=0)


def test_a_single_hidden_state_is_not_standardised() -> None:
    with pytest.raises(ValidationError, match="wanted layers weighted"):
        SslConfig(source="a", layers="last", standardised=True)
