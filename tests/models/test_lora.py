"""LoRA in a self-supervised front-end: nothing at first, then what its formula says, and a small file."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.countermeasure import CountermeasureConfig
from moe_mamba_asv.models.frontends.cascade import CascadeConfig, CascadeFrontend
from moe_mamba_asv.models.frontends.lora import LoraConfig
from moe_mamba_asv.models.frontends.ssl import SslConfig, SslFrontend
from moe_mamba_asv.models.native.serving import kernel_variant
from moe_mamba_asv.models.size import measure_size
from moe_mamba_asv.training.recipe import load_recipe
from tiny_ssl import KINDS, NUM_LAYERS, WIDTH, save_tiny

FAMILIES = ("wavlm-stable", "wav2vec2-stable", "hubert-post", "whisper")
TWO_LAYERS = LoraConfig(rank=3, alpha=6, layers=(1, 2))
Tiny = Callable[[str], Path]


def clips() -> Tensor:
    return 0.1 * torch.randn(2, 4_000, generator=torch.Generator().manual_seed(0))


def adapted(source: Path, lora: LoraConfig, **options: Any) -> SslFrontend:
    torch.manual_seed(0)
    return SslFrontend(SslConfig(source=str(source), layers="weighted", lora=lora, **options))


def move_adapters(model: nn.Module) -> None:
    """As if trained: B is no longer zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.3, generator=generator)


def attention_path(kind: str) -> str:
    return "self_attn" if kind == "whisper" else "attention"


@pytest.mark.parametrize("kind", KINDS)
def test_at_first_it_changes_nothing(tiny: Tiny, kind: str) -> None:
    plain = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted"))
    with kernel_variant(None):  # an adapter's gradient is left to PyTorch, which rounds otherwise than a kernel
        states, expected = (one.hidden_states(clips()) for one in (adapted(tiny(kind), LoraConfig()), plain))
    assert all(torch.equal(state, exact) for state, exact in zip(states, expected, strict=True))


@pytest.mark.parametrize("target", ["q_proj", "k_proj", "v_proj", "out_proj"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_an_update_is_added_to_the_weight_that_it_names(tiny: Tiny, kind: str, target: str) -> None:
    """Transformers' WavLM reads the bare weights of its projections, past any adapter; ours must not."""
    frontend = adapted(tiny(kind), LoraConfig(rank=3, alpha=6, layers=(1, 2), targets=(target,)))
    move_adapters(frontend)
    state = frontend.state_dict()
    plain = SslFrontend(SslConfig(source=str(tiny(kind)), layers="weighted"))
    before = plain.hidden_states(clips())
    with torch.no_grad():
        for layer in (1, 2):
            name = f"layers.{layer}.{attention_path(kind)}.{target}"
            update = state[f"{name}.lora_B.default.weight"] @ state[f"{name}.lora_A.default.weight"]
            plain.get_parameter(f"{name}.weight").add_(2 * update)  # alpha / rank
    wanted, got = plain.hidden_states(clips()), frontend.hidden_states(clips())
    for number, (state, exact, old) in enumerate(zip(got, wanted, before, strict=True)):
        assert (state - exact).norm() <= 1e-5 * exact.norm()  # ten times float32 rounding
        if number < 2:
            assert torch.equal(state, old)
        else:
            assert (state - old).norm() > 1e-3 * old.norm()


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_gradient_reaches_adapters_and_nothing_below(tiny: Tiny, kind: str) -> None:
    frontend = adapted(tiny(kind), TWO_LAYERS).train()
    move_adapters(frontend)
    assert [state.requires_grad for state in frontend.hidden_states(clips())] == [False, False, True, True, True]
    frontend(clips()).square().mean().backward()
    named = [
        f"layers.{layer}.{attention_path(kind)}.{target}.{part}.default.weight"
        for layer, target, part in itertools.product((1, 2), ("q_proj", "v_proj"), ("lora_A", "lora_B"))
    ]
    gradients = {name: parameter.grad for name, parameter in frontend.named_parameters() if parameter.grad is not None}
    assert set(gradients) == {*named, "mix.logits"}
    assert all(gradient.any() for gradient in gradients.values())


def with_much_dropout(source: Path, lora: LoraConfig) -> SslFrontend:
    """Half of everything dropped, wherever a model of the family has dropout; weights are drawn anew."""
    config = SslConfig(source=str(source), layers="weighted", lora=lora)
    architecture = SslFrontend(config).architecture
    dropouts = {name: 0.5 for name, value in architecture.items() if "dropout" in name and isinstance(value, float)}
    assert len(dropouts) >= 3
    torch.manual_seed(0)
    frontend = SslFrontend(config, architecture={**architecture, **dropouts})
    move_adapters(frontend)
    return frontend


@pytest.mark.parametrize("kind", FAMILIES)
def test_only_the_dropout_of_adapters_wakes_in_training(tiny: Tiny, kind: str) -> None:
    without = with_much_dropout(tiny(kind), LoraConfig()).train()
    assert torch.equal(without(clips()), without(clips()))
    quiet = without(clips())
    assert torch.equal(quiet, without.eval()(clips()))
    dropped = with_much_dropout(tiny(kind), LoraConfig(dropout=0.5)).train()
    assert not torch.equal(dropped(clips()), dropped(clips()))
    assert torch.equal(dropped.eval()(clips()), quiet)
    assert not any(module.training for module in dropped.layers.modules())


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_trained_layer_trains_its_own_weights_beside_an_adapter(tiny: Tiny, kind: str) -> None:
    frontend = adapted(tiny(kind), TWO_LAYERS, trainable=(2, 3)).train()
    assert [layer.training for layer in frontend.layers] == [False, False, True, True]
    trained = {name for name, parameter in frontend.named_parameters() if parameter.requires_grad}
    base = {name for name in trained if "lora_" not in name}
    assert base == {
        name
        for name in frontend.state_dict()
        if name.startswith(("layers.2.", "layers.3.", "mix.")) and "lora_" not in name
    }
    assert {name.split(".")[1] for name in trained - base} == {"1", "2"}


def test_below_the_first_adapter_bfloat16_serves(tiny: Tiny) -> None:
    frontend = adapted(tiny("wavlm-stable"), LoraConfig(layers=(2, 3)), precision="bfloat16")
    types = {name: parameter.dtype for name, parameter in frontend.layers.named_parameters()}
    assert {name[0] for name, dtype in types.items() if dtype == torch.bfloat16} == {"0", "1"}
    assert {name[0] for name, dtype in types.items() if dtype == torch.float32} == {"2", "3"}
    assert frontend.norm.weight.dtype == torch.float32
    frontend(clips()).square().mean().backward()


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"layers": (2, 4)}, "lora layers .* from 0 to 3"),
        ({"targets": ("query",)}, r"lora target 'query' in encoder layer 0.*k_proj, .*q_proj, v_proj"),
        ({"targets": ("layer_norm",)}, "lora target 'layer_norm'"),
    ],
)
def test_what_cannot_be_adapted_is_named(tiny: Tiny, lora: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        adapted(tiny("wavlm-post"), LoraConfig(**lora))


@pytest.mark.parametrize(
    "options",
    [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"targets": ()}, {"layers": (3, 2)}, {"layers": (-1, 2)}, {"r": 8}],
)
def test_impossible_configurations_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LoraConfig.model_validate(options)


def test_a_cascade_passes_it_on(tiny: Tiny) -> None:
    ssl = SslConfig(source=str(tiny("wav2vec2-stable")), layers=(1, 3), lora=LoraConfig(layers=(1, 1)))
    frontend = CascadeFrontend(CascadeConfig(ssl=ssl, width=6))
    frontend(clips()).square().mean().backward()
    inner = {
        name for name, parameter in frontend.ssl.named_parameters() if parameter.grad is not None and "lora_" in name
    }
    assert len(inner) == 4
    assert not any("lora_" in name for name in frontend.borrowed())
    assert "ssl.layers.1.attention.q_proj.base_layer.weight" in frontend.borrowed()


def detector(source: Path, **lora: Any) -> CountermeasureConfig:
    config = load_recipe("phase2", ["model.width=16", f"model.frontends.0.source={source}"]).model
    assert isinstance(config, CountermeasureConfig)
    (ssl,) = config.frontends
    return config.model_copy(update={"frontends": (ssl.model_copy(update={"lora": LoraConfig(**lora)}),)})


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_file_gives_back_the_very_model(tmp_path: Path, kind: str, full: bool) -> None:
    source = save_tiny(tmp_path / "source", kind)
    config = detector(source, layers=(1, 2))
    model = build_model(config).eval()
    move_adapters(model)
    save_checkpoint(Checkpoint.of(model, "test", config, {}, full=full), tmp_path / "m.safetensors")
    if full:
        shutil.rmtree(source)
    restored = load_checkpoint(tmp_path / "m.safetensors").build()
    with torch.inference_mode():
        assert torch.equal(restored(clips()).score, model(clips()).score)
    adapters = {
        f"frontends.0.layers.{layer}.{attention_path(kind)}.{target}.{part}.default.weight"
        for layer, target, part in itertools.product((1, 2), ("q_proj", "v_proj"), ("lora_A", "lora_B"))
    }
    with safe_open(tmp_path / "m.safetensors", "pt") as file:
        inside = {name for name in file.keys() if name.startswith("frontends.")}  # noqa: SIM118 (not a dict)
        num_values = sum(file.get_tensor(name).numel() for name in inside)
    if full:
        assert inside == {f"frontends.0.{name}" for name in model.get_submodule("frontends.0").state_dict()}
    else:
        assert inside == adapters
        assert num_values == 2 * 2 * 2 * 8 * WIDTH  # layers, targets, A and B, rank, width


def test_a_source_that_has_changed_under_the_adapters_is_noticed(tmp_path: Path) -> None:
    config = detector(save_tiny(tmp_path / "source", "wavlm-stable"))
    save_checkpoint(Checkpoint.of(build_model(config), "test", config, {}), tmp_path / "m.safetensors")
    weights = load_file(tmp_path / "source/model.safetensors")
    weights["encoder.layers.1.attention.q_proj.weight"][0, 0] += 1
    save_file(weights, tmp_path / "source/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="source has changed"):
        load_checkpoint(tmp_path / "m.safetensors").build()


def test_adapters_are_counted(tiny: Tiny) -> None:
    config = detector(tiny("wavlm-stable"), rank=4)
    plain = config.model_copy(update={"frontends": (config.frontends[0].model_copy(update={"lora": None}),)})
    with_adapters, without = measure_size(config), measure_size(plain)
    num_adapted = NUM_LAYERS * 2 * 2 * 4 * WIDTH  # targets, A and B, rank, width
    assert with_adapters.parameters - without.parameters == num_adapted
    assert with_adapters.trainable - without.trainable == num_adapted
    frames = 201
    assert with_adapters.multiply_adds - without.multiply_adds == frames * num_adapted


def test_a_recipe_says_it_by_name() -> None:
    config = load_recipe("phase2", ["model.frontends.0.lora.rank=4"]).model
    assert config.frontends[0].lora == LoraConfig(rank=4)
    with pytest.raises(ConfigError, match="did you mean 'rank'"):
        load_recipe("phase2", ["model.frontends.0.lora.rnak=4"])
