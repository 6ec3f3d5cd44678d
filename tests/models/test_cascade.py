"""Cascade injection: low layers reach the output, through gates that learn."""

import pytest
import torch
from pydantic import ValidationError

from moe_mamba_asv.models.frontends.cascade import CascadeConfig, CascadeFrontend, GatedInjection
from moe_mamba_asv.models.frontends.ssl import SslConfig
from tiny_ssl import WIDTH, save_tiny


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("xls-r"), "wav2vec2-stable"))


def _cascade(source: str, **options: object) -> CascadeFrontend:
    torch.manual_seed(0)
    ssl = SslConfig.model_validate({"source": source, "layers": (1, 2, 4), **options})
    return CascadeFrontend(CascadeConfig(ssl=ssl, width=6))


def _waveforms() -> torch.Tensor:
    return 0.1 * torch.randn(2, 8_000, generator=torch.Generator().manual_seed(0))


def test_what_it_answers_about_itself(source: str) -> None:
    frontend = _cascade(source)
    frames = frontend(_waveforms())
    assert frames.shape == (2, frontend.num_frames(8_000), 6)
    assert (frontend.width, frontend.frame_rate_hz, frontend.receptive_field_samples) == (6, 50, 400)


def test_an_injection_is_the_formula() -> None:
    torch.manual_seed(0)
    inject = GatedInjection(6)
    lower, upper = torch.randn(2, 2, 5, 6)
    gate = torch.sigmoid(torch.cat([lower, upper], -1) @ inject.gate.weight.T + inject.gate.bias)
    torch.testing.assert_close(
        inject(lower, upper), upper + gate * (lower @ inject.project.weight.T + inject.project.bias)
    )


def test_every_part_but_the_frozen_model_gets_a_gradient(source: str) -> None:
    frontend = _cascade(source).train()
    frontend(_waveforms()).square().mean().backward()
    for name, parameter in frontend.named_parameters():
        if name.startswith("ssl."):
            assert parameter.grad is None, name
        else:
            assert parameter.grad.any(), name


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_every_layer_matters(source: str, stream: int) -> None:
    frontend = _cascade(source)
    before = frontend(_waveforms())
    with torch.no_grad():
        frontend.projections[stream].weight.zero_()
    assert (frontend(_waveforms()) - before).abs().max() > 1e-3


def test_a_closed_gate_leaves_the_highest_layer(source: str) -> None:
    frontend = _cascade(source)
    with torch.no_grad():
        for inject in frontend.injections:
            inject.gate.bias.fill_(-1e4)
    highest = frontend.projections[2](frontend.ssl.hidden_states(_waveforms())[2])
    torch.testing.assert_close(frontend(_waveforms()), highest)


def test_it_trains_the_layers_that_it_is_told_to(source: str) -> None:
    frontend = _cascade(source, trainable=(3, 3))
    frontend(_waveforms()).square().mean().backward()
    trained = {
        name.split(".")[2]
        for name, parameter in frontend.ssl.named_parameters(prefix="ssl")
        if parameter.grad is not None
    }
    assert trained == {"3"}


def test_it_can_be_rebuilt_without_its_source(source: str) -> None:
    frontend = _cascade(source)
    ssl = SslConfig(source="nowhere/at-all", layers=(1, 2, 4))
    moved = CascadeFrontend(CascadeConfig(ssl=ssl, width=6), architecture=frontend.architecture)
    moved.load_state_dict(frontend.state_dict())
    assert torch.equal(moved(_waveforms()), frontend(_waveforms()))
    assert frontend.ssl.width == WIDTH


@pytest.mark.parametrize("layers", ["last", "weighted", (3,)])
def test_a_cascade_of_one_layer_is_refused(layers: object) -> None:
    with pytest.raises(ValidationError, match="two or more"):
        CascadeConfig.model_validate({"ssl": {"source": "somewhere", "layers": layers}})
