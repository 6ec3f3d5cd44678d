"""What a front-end answers before training can have a say: it stays the same, and the rest follows from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.cascade import CascadeConfig, CascadeFrontend
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.frontends.lora import LoraConfig
from moe_mamba_asv.models.frontends.sincnet import SincNetConfig, SincNetFrontend
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from tiny_ssl import KINDS, NUM_LAYERS, WIDTH, published_states

#: What is trained, and the numbers of the hidden states that are fixed then: of all, and of the last alone.
TRAINED: dict[str, tuple[dict[str, Any], list[int], list[int]]] = {
    "nothing": ({}, [0, 1, 2, 3, 4], [4]),
    "layers": ({"trainable": (1, 2)}, [0, 1], [1]),
    "adapters": ({"lora": LoraConfig(layers=(2, 3))}, [0, 1, 2], [2]),
    "all adapters": ({"lora": LoraConfig()}, [0], [0]),
}
Tiny = Callable[[str], Path]


def clips() -> Tensor:
    """Of three loudnesses, so that a norm over the batch would show."""
    noise = torch.randn(3, 4_000, generator=torch.Generator().manual_seed(0))
    return noise * torch.tensor([[0.05], [0.1], [0.3]])


def train_for_a_step(frontend: Frontend) -> None:
    """Move all that can be moved, by far more than rounding."""
    frontend.train()
    optimizer = torch.optim.SGD([p for p in frontend.parameters() if p.requires_grad], lr=1.0)
    for _ in range(2):  # the first step moves B of an adapter, and only then has A a gradient
        optimizer.zero_grad()
        frontend(clips()).square().mean().backward()
        nn.utils.clip_grad_norm_(frontend.parameters(), 0.5)
        optimizer.step()
    frontend.eval()


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_hidden_states_up_to_the_first_trained_layer(tiny: Tiny, kind: str, trained: str) -> None:
    options, of_all, of_last = TRAINED[trained]
    published = published_states(tiny(kind), clips())
    for layers, numbers in (("weighted", of_all), ("last", of_last)):
        fixed = (
            SslFrontend(SslConfig(source=str(tiny(kind)), layers=layers, **options))
            .train()
            .fixed(clips().requires_grad_())
        )
        assert not any(state.requires_grad for state in fixed)
        for state, number in zip(fixed, numbers, strict=True):
            assert (state - published[number]).norm() <= 1e-5 * published[number].norm()


@pytest.mark.parametrize("trained", TRAINED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_kept_from_before_training_serves_after_it(tiny: Tiny, kind: str, trained: str) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted", **TRAINED[trained][0]))
    kept = frontend.fixed(clips())
    before = frontend(clips())
    train_for_a_step(frontend)
    after = frontend(clips())
    assert (after - before).norm() > 1e-3 * before.norm()
    assert torch.equal(frontend.learned(*kept), after)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_has_the_same_alone_and_in_a_batch(tiny: Tiny, kind: str) -> None:
    frontend = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted"))
    together = frontend.fixed(clips())
    for index in range(3):
        for state, alone in zip(together, frontend.fixed(clips()[index : index + 1]), strict=True):
            assert (state[index] - alone[0]).norm() <= 1e-5 * alone.norm()


def test_in_bfloat16_it_is_in_the_type_of_the_waveforms(tiny: Tiny) -> None:
    for trainable in (None, (2, 3)):
        config = SslConfig(
            source=str(tiny("wavlm-stable")), layers="weighted", trainable=trainable, precision="bfloat16"
        )
        assert {state.dtype for state in SslFrontend(config).fixed(clips())} == {torch.float32}


@pytest.mark.parametrize("lora", [None, LoraConfig(layers=(2, 2))])
def test_a_cascade_keeps_what_it_injects(tiny: Tiny, lora: LoraConfig | None) -> None:
    ssl = SslConfig(source=str(tiny("wavlm-stable")), layers=(1, NUM_LAYERS), lora=lora)
    frontend = CascadeFrontend(CascadeConfig(ssl=ssl, width=6))
    kept = frontend.fixed(clips())
    assert [state.shape[-1] for state in kept] == [WIDTH, WIDTH]
    published = published_states(tiny("wavlm-stable"), clips())
    assert (kept[1] - published[NUM_LAYERS if lora is None else 2]).norm() <= 1e-5 * kept[1].norm()
    train_for_a_step(frontend)
    assert torch.equal(frontend.learned(*kept), frontend(clips()))


def test_layers_above_the_highest_chosen_one_are_not_run(tiny: Tiny) -> None:
    config = SslConfig(source=str(tiny("whisper")), layers=(1, 2), num_layers=NUM_LAYERS)
    frontend = SslFrontend(config)
    ran: list[int] = []
    for number, layer in enumerate(frontend.layers):
        layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    assert len(frontend.fixed(clips())) == 2
    assert ran == [0, 1]


def test_of_others_nothing_is_fixed() -> None:
    frontend = SincNetFrontend(SincNetConfig(channels=(4, 4, 4, 4, 4, 4))).eval()
    waveforms = clips().repeat(1, 4)
    (fixed,) = frontend.fixed(waveforms)
    assert fixed is waveforms
    frames = frontend.learned(fixed)
    assert torch.equal(frames, frontend(waveforms))
    frames.sum().backward()
    assert any(parameter.grad is not None for parameter in frontend.parameters())
