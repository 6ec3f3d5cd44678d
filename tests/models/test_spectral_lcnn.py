"""The small spectral detector."""

import pytest
import torch

from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnnConfig

CONFIG = SpectralLcnnConfig(channels=(4, 4, 6, 6), num_bands=2)


@pytest.mark.parametrize("num_samples", [1600, 16_000, 64_599, 64_600, 64_601])
def test_any_length_forward_and_backward(num_samples: int) -> None:
    torch.manual_seed(0)
    model = build_model(CONFIG)
    output = model(torch.randn(3, num_samples))
    assert output.score.shape == (3,)
    assert output.logits.shape == (3, 2)
    assert torch.equal(output.score, output.logits[:, 1] - output.logits[:, 0])
    output.score.sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_level_does_not_move_the_score_of_loud_clips() -> None:
    """The mean of the log spectrogram is removed, and with it any constant gain."""
    torch.manual_seed(0)
    model = build_model(CONFIG).eval()
    waveform = torch.randn(1, 16_000)
    with torch.inference_mode():
        assert torch.allclose(model(waveform).score, model(0.5 * waveform).score, atol=1e-3)


def test_silence_is_finite() -> None:
    model = build_model(CONFIG).eval()
    with torch.inference_mode():
        assert torch.isfinite(model(torch.zeros(1, 16_000)).score).all()


@pytest.mark.parametrize("change", [{"channels": (4, 4, 6, 8)}, {"num_bands": 1}])
def test_a_field_changes_the_network(change: dict) -> None:
    sizes = [[p.shape for p in build_model(c).parameters()] for c in (CONFIG, CONFIG.model_copy(update=change))]
    assert sizes[0] != sizes[1]
