"""Linear maps of encoders in one pass of oneDNN, against PyTorch's own."""

from pathlib import Path

import pytest
import torch
from torch import nn

from moe_mamba_asv.models.frontends import fused_linear
from moe_mamba_asv.models.frontends.fused_linear import FusedLinear
from moe_mamba_asv.models.frontends.lora import LoraConfig
from moe_mamba_asv.models.frontends.ssl import SslFrontend
from moe_mamba_asv.models.frontends.ssl_config import SslConfig
from tiny_ssl import KINDS, save_tiny

needs_onednn = pytest.mark.skipif(fused_linear._product is None, reason="PyTorch without oneDNN")


@needs_onednn
@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 201, 64), (1, 64), (1, 3, 5, 64)])
@torch.inference_mode()
def test_the_answer_is_that_of_pytorch(shape: tuple[int, ...], bias: bool, gelu: bool) -> None:
    torch.manual_seed(0)
    plain, numbers = nn.Linear(64, 48, bias=bias), 4 * torch.randn(shape)
    exact = nn.functional.linear(numbers.double(), plain.weight.double(), plain.bias.double() if bias else None)
    exact = nn.functional.gelu(exact) if gelu else exact
    found = FusedLinear(plain, gelu=gelu).eval()(numbers)
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-6 * exact.abs().max().item())


@needs_onednn
def test_a_gradient_leaves_it_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    product = fused_linear._product
    monkeypatch.setattr(fused_linear, "_product", lambda *given: (called.append(given), product(*given))[1])
    fused, numbers = FusedLinear(nn.Linear(16, 16), gelu=True).eval(), torch.randn(3, 16)
    fused(numbers).sum().backward()
    assert fused.weight.grad is not None
    assert not called
    with torch.no_grad():
        fused(numbers)
    assert len(called) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_without_onednn_hidden_states_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    frontend = SslFrontend(SslConfig(source=str(save_tiny(tmp_path, kind)), layers="weighted")).eval()
    waveforms = 0.1 * torch.randn(2, 8_000)
    with torch.inference_mode():
        fused = frontend.hidden_states(waveforms)
        monkeypatch.setattr(fused_linear, "_product", None)
        plain = frontend.hidden_states(waveforms)
    assert len([part for part in frontend.modules() if isinstance(part, FusedLinear) and part.gelu]) == len(
        frontend.layers
    )
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_an_adapter_comes_before_the_activation(tmp_path: Path) -> None:
    lora = LoraConfig(targets=("intermediate_dense",))
    frontend = SslFrontend(SslConfig(source=str(save_tiny(tmp_path, "wavlm-stable")), lora=lora)).eval()
    feed_forward = frontend.layers[0].feed_forward
    assert not any(part.gelu for part in feed_forward.modules() if isinstance(part, FusedLinear))
    frames = torch.randn(1, 5, feed_forward.intermediate_dense.in_features)
    with torch.no_grad():
        nn.init.ones_(feed_forward.intermediate_dense.lora_B["default"].weight)
        wanted = feed_forward.output_dense(nn.functional.gelu(feed_forward.intermediate_dense(frames)))
        torch.testing.assert_close(feed_forward(frames), wanted)
