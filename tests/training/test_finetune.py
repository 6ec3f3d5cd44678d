"""Fine-tuning policies: what is frozen stays so, rates and shares land where they are meant, a start is taken whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.models.spectral_lcnn import SpectralLcnn, SpectralLcnnConfig
from moe_mamba_asv.training.finetune.config import FinetuneConfig, Unfreeze
from moe_mamba_asv.training.finetune.freezing import apply_freezing, keep_modes
from moe_mamba_asv.training.finetune.parts import parts
from moe_mamba_asv.training.finetune.rates import ParameterGroup, hold_back, parameter_groups
from moe_mamba_asv.training.finetune.warm_start import Start, start_from
from tiny_ssl import save_tiny

CLIPS = 0.1 * torch.randn(3, 4_000, generator=torch.Generator().manual_seed(0))
BASE_RATE, SSL_RATE = 1e-3, 1e-5
Made = Callable[..., Countermeasure]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a tiny WavLM."""
    return str(save_tiny(tmp_path_factory.mktemp("wavlm"), "wavlm-stable"))


def config_of(source: str, ssl: dict[str, Any] | None = None, **options: Any) -> CountermeasureConfig:
    chosen = {"kind": "ssl", "source": source, "layers": "weighted", **(ssl or {})}
    return CountermeasureConfig.model_validate(
        {
            "frontends": [chosen, {"kind": "sincnet", "num_filters": 12, "channels": [4, 4, 4]}],
            "width": 8,
            "fusion": {"kind": "squeeze-excitation", "reduction": 2},
            "backend": {"kind": "bimamba", "num_blocks": 1},
            "pooling": {"kind": "attentive", "hidden": 4},
            "head": {"kind": "linear"},
            **options,
        }
    )


@pytest.fixture(scope="module")
def made(source: str) -> Made:
    """Builds a dual-stream model whose SSL layers 1 to 3 are trained, unless options say otherwise."""

    def make(ssl: dict[str, Any] | None = None, *, seed: int = 0, **options: Any) -> Countermeasure:
        torch.manual_seed(seed)
        return Countermeasure(config_of(source, {"trainable": [1, 3]} if ssl is None else ssl, **options))

    return make


def cascade(source: str, **options: Any) -> Countermeasure:
    ssl = {"kind": "ssl", "source": source, "layers": [1, 3], **options}
    one_stream = {"frontends": [{"kind": "cascade", "ssl": ssl, "width": 6}], "fusion": None}
    return Countermeasure(config_of(source).model_validate({**config_of(source).model_dump(), **one_stream}))


def trained(model: nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def sorted_in(groups: list[ParameterGroup], model: nn.Module) -> dict[str, set[str]]:
    """Names of the parameters in each group; a parameter in two groups, or a name of two groups, is an error."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {group.name: {names[parameter] for parameter in group.parameters} for group in groups}
    assert len(found) == len(groups)
    assert sum(map(len, found.values())) == sum(len(group.parameters) for group in groups)
    assert set().union(*found.values()) == trained(model)
    assert sum(map(len, found.values())) == len(trained(model))
    return found


def rates(groups: list[ParameterGroup]) -> dict[str, float]:
    return {group.name: group.rate for group in groups}


def take_steps(model: Detector, config: FinetuneConfig, *, steps: int = 2) -> None:
    """As a run would, with a rate at which every weight that may move does."""
    groups = parameter_groups(model, config, 0.1, None)
    optimizer = torch.optim.Adam([{"params": group.parameters, "lr": group.rate} for group in groups], weight_decay=0.1)
    for step in range(steps):
        model.train()
        keep_modes(model, config)
        optimizer.zero_grad(set_to_none=True)
        model(CLIPS).score.square().sum().backward()
        hold_back(groups, step / steps)
        optimizer.step()


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


# Parts


def test_parts_share_out_all_parameters(made: Made, source: str) -> None:
    lora = {"lora": {"rank": 2}}
    models = [
        made(lora, projection_width=4, num_attacks=3, num_domains=2),
        cascade(source),
        SpectralLcnn(SpectralLcnnConfig()),
    ]
    for model in models:
        names = [name for inside in parts(model).values() for name in inside]
        assert sorted(names) == sorted(name for name, _ in model.named_parameters())
    all_of_them = parts(models[0])
    assert list(all_of_them) == ["ssl", "sinc", "projections", "fusion", "backend", "pooling", "head"]
    assert {"frontends.0.mix.logits"} < set(all_of_them["ssl"])
    assert any("lora_A" in name for name in all_of_them["ssl"])
    assert {name.split(".")[0] for name in all_of_them["head"]} == {"head", "projection", "attack_head", "domain_head"}
    assert list(parts(models[1])) == ["ssl", "projections", "fusion", "backend", "pooling", "head"]
    assert {name.split(".")[2] for name in parts(models[1])["fusion"]} == {"projections", "injections"}
    assert list(parts(models[2])) == ["all"]


@pytest.mark.parametrize(("asked", "nearest"), [("snic", "sinc"), ("backend.block", "backend.blocks")])
def test_an_unknown_name_is_an_error_with_the_nearest(made: Made, asked: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"'{asked}'.*ssl, sinc.*try: .*{nearest}"):
        apply_freezing(made(), FinetuneConfig(frozen=(asked,)))


def test_a_part_that_this_model_lacks_is_unknown(source: str) -> None:
    with pytest.raises(ConfigError, match="'sinc'"):
        apply_freezing(cascade(source), FinetuneConfig(frozen=("sinc",)))


def test_a_prefix_ends_with_a_whole_word(made: Made) -> None:
    model = made(projection_width=4)
    apply_freezing(model, FinetuneConfig(frozen=("projection",)))
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert {name.split(".")[0] for name in frozen if "frontends" not in name} == {"projection"}


# Freezing


@pytest.mark.parametrize("part", ["ssl", "sinc", "projections", "fusion", "backend", "pooling", "head"])
def test_what_is_frozen_neither_learns_nor_drifts_and_the_rest_does(made: Made, part: str) -> None:
    model = made()
    assert trained(model) & set(parts(model)[part])
    config = FinetuneConfig(frozen=(part,))
    apply_freezing(model, config)
    before = copied(model)
    take_steps(model, config)
    prefixes = {"ssl": "frontends.0.", "sinc": "frontends.1."}
    prefix = prefixes.get(part, f"{part}.")
    assert not any(name.startswith(prefix) for name in moved(model, before))
    assert not any(
        parameter.grad is not None for name, parameter in model.named_parameters() if name.startswith(prefix)
    )
    assert trained(model) <= moved(model, before)


def test_a_frozen_part_answers_in_training_as_in_evaluation(made: Made) -> None:
    config = FinetuneConfig(frozen=("sinc", "backend"))
    model = made()
    apply_freezing(model, config)
    take_steps(model, config, steps=1)
    model.train()
    keep_modes(model, config)
    modes = {name: module.training for name, module in model.named_modules()}
    for name, mode in modes.items():
        in_frozen = name.startswith(("frontends.1", "backend"))
        assert mode == (not in_frozen) or name.startswith("frontends.0")
    assert modes["frontends.0.layers.1"]
    assert not modes["frontends.0.layers.0"]
    awake = model.frontends[1](CLIPS)
    assert torch.equal(awake, model.eval().frontends[1](CLIPS))


def test_batch_norms_alone_can_be_fixed(made: Made) -> None:
    config = FinetuneConfig(freeze_batch_norm=True)
    model = made()
    apply_freezing(model, config)
    before = copied(model)
    take_steps(model, config)
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) > 4
    now = moved(model, before)
    assert not {name for name in now if name.rpartition(".")[0] in norms}
    assert "frontends.1.bank.low_logits" in now
    assert trained(model) <= now


def test_without_it_batch_norms_drift(made: Made) -> None:
    model = made()
    before = copied(model)
    take_steps(model, FinetuneConfig(), steps=1)
    assert "frontends.1.stem_norm.running_mean" in moved(model, before)
    assert "frontends.1.stem_norm.weight" in moved(model, before)


def test_a_model_that_is_frozen_whole_has_nothing_to_train() -> None:
    model, config = SpectralLcnn(SpectralLcnnConfig()), FinetuneConfig(frozen=("all",))
    apply_freezing(model, config)
    assert not any(module.training for module in model.modules())
    with pytest.raises(ConfigError, match="nothing is trained"):
        parameter_groups(model, config, BASE_RATE, None)


def test_a_plain_detector_is_frozen_by_prefix() -> None:
    model = SpectralLcnn(SpectralLcnnConfig())
    apply_freezing(model, FinetuneConfig(frozen=("backend",)))
    assert {name.split(".")[0] for name in trained(model)} == {"head"}


# Rates


def test_encoder_layers_have_the_rate_of_ssl_and_their_mix_has_not(made: Made) -> None:
    model = made()
    groups = parameter_groups(model, FinetuneConfig(), BASE_RATE, SSL_RATE)
    found = sorted_in(groups, model)
    assert found["ssl"] == trained(model) & model.borrowed()
    assert found["frontends.0.mix"] == {"frontends.0.mix.logits"}
    assert {name: rate for name, rate in rates(groups).items() if rate != BASE_RATE} == {"ssl": SSL_RATE}
    assert {group.rate for group in parameter_groups(model, FinetuneConfig(), BASE_RATE, None)} == {BASE_RATE}


def test_adapters_have_the_rate_of_ssl(made: Made) -> None:
    model = made({"lora": {"rank": 2}})
    groups = parameter_groups(model, FinetuneConfig(), BASE_RATE, SSL_RATE)
    found = sorted_in(groups, model)
    assert found["ssl"] == {name for name in trained(model) if "lora_" in name}
    assert len(found["ssl"]) == 4 * 2 * 2  # layers, targets, A and B
    assert rates(groups)["ssl"] == SSL_RATE


def test_the_longest_name_decides_and_a_part_yields(made: Made) -> None:
    model = made()
    first = parts(model)["backend"][0]
    longest = first.rpartition(".")[0]
    asked = {longest: 3.0, "head": 2.0, "ssl": 4.0, "frontends.0.mix": 5.0, "backend.blocks": 6.0}
    groups = parameter_groups(model, FinetuneConfig(rates=asked), BASE_RATE, SSL_RATE)
    found, by_name = sorted_in(groups, model), rates(groups)
    assert {name: by_name[name] for name in asked} == asked
    assert found["head"] == set(parts(model)["head"])
    assert found["frontends.0.mix"] == {"frontends.0.mix.logits"}
    assert found["ssl"] == trained(model) & model.borrowed()
    assert first in found[longest]
    assert all(name.startswith(f"{longest}.") or name == longest for name in found[longest])
    rest = {name for name in parts(model)["backend"] if name.startswith("backend.blocks.")} - found[longest]
    assert found["backend.blocks"] == rest
    assert by_name["sinc"] == BASE_RATE


def test_a_rate_of_a_part_takes_the_mix_with_it(made: Made) -> None:
    model = made()
    groups = parameter_groups(model, FinetuneConfig(rates={"ssl": 4.0}), BASE_RATE, SSL_RATE)
    assert sorted_in(groups, model)["ssl"] == trained(model) & set(parts(model)["ssl"])


def test_the_rate_falls_from_layer_to_layer_by_exactly_the_decay(made: Made) -> None:
    """Of 4 layers, 1 and 2 are trained: the highest of them has the full rate."""
    model = made({"trainable": [1, 2]})
    groups = parameter_groups(model, FinetuneConfig(ssl_layer_decay=0.5), BASE_RATE, SSL_RATE)
    found, by_name = sorted_in(groups, model), rates(groups)
    assert by_name["frontends.0.layers.2"] == SSL_RATE
    assert by_name["frontends.0.layers.1"] == SSL_RATE / 2
    assert "ssl" not in by_name
    for layer in (1, 2):
        prefix = f"frontends.0.layers.{layer}"
        assert found[prefix] == {name for name in trained(model) if name.startswith(f"{prefix}.")}
    assert by_name["frontends.0.mix"] == by_name["head"] == BASE_RATE


def test_layers_inside_a_cascade_decay_too(source: str) -> None:
    model = cascade(source, trainable=[1, 2])
    groups = parameter_groups(model, FinetuneConfig(ssl_layer_decay=0.5), BASE_RATE, SSL_RATE)
    layers = {name: rate for name, rate in rates(groups).items() if "layers" in name}
    assert layers == {"frontends.0.ssl.layers.1": SSL_RATE / 2, "frontends.0.ssl.layers.2": SSL_RATE}


def test_adapters_decay_with_their_layers_and_a_rate_of_ssl_does(made: Made) -> None:
    model = made({"lora": {"rank": 2}})
    config = FinetuneConfig(ssl_layer_decay=0.5, rates={"ssl": 0.8, "frontends.0.layers.2": 0.7})
    groups = parameter_groups(model, config, BASE_RATE, SSL_RATE)
    sorted_in(groups, model)
    layers = [rates(groups)[f"frontends.0.layers.{number}"] for number in range(4)]
    assert layers == pytest.approx([0.1, 0.2, 0.7, 0.8], rel=1e-12)
    assert rates(groups)["ssl"] == 0.8  # the mix, which is in no layer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ssl_layer_decay": 0.5}, "ssl_layer_decay 0.5"),
        ({"ssl_layer_decay": 0.5, "rates": {"frontends.0": 1.0}}, "ssl_layer_decay 0.5"),
        ({"rates": {"frontends.0.layers.0": 1.0}}, r"rates: frontends.0.layers.0.*nothing is trained"),
        ({"unfreeze": ({"at": 0.5, "part": "ssl", "layers": (0, 3)},)}, r"unfreeze: ssl layers \(0, 3\)"),
        ({"rates": {"heads": 1.0}}, "'heads'.*try: head"),
    ],
)
def test_an_option_that_would_change_nothing_is_an_error(made: Made, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parameter_groups(made({}), FinetuneConfig.model_validate(options), BASE_RATE, SSL_RATE)


# Gradual unfreezing


def test_what_is_held_moves_from_its_share_on(made: Made) -> None:
    held = (Unfreeze(at=0.5, part="head"), Unfreeze(at=0.75, part="ssl", layers=(1, 2)))
    config, model = FinetuneConfig(unfreeze=held), made()
    groups = parameter_groups(model, config, 0.01, 0.01)
    found = sorted_in(groups, model)
    assert {group.name: group.from_share for group in groups if group.from_share} == {"head@0.5": 0.5, "ssl@0.75": 0.75}
    assert {name.split(".")[3] if "layers" in name else "" for name in found["ssl"]} == {"3"}
    optimizer = torch.optim.Adam([{"params": group.parameters} for group in groups], lr=0.01, weight_decay=0.1)
    for step in range(4):
        before = copied(model.train())
        optimizer.zero_grad()
        model(CLIPS).score.square().sum().backward()
        hold_back(groups, step / 4)
        optimizer.step()
        still = trained(model) - moved(model, before)
        wanted = (found["head@0.5"] if step < 2 else set()) | (found["ssl@0.75"] if step < 3 else set())
        assert still == wanted
    counts = {
        group.name: {int(optimizer.state[parameter]["step"]) for parameter in group.parameters} for group in groups
    }
    assert counts["head@0.5"] == {2}
    assert counts["ssl@0.75"] == {1}
    assert counts["ssl"] == {4}


def test_what_is_held_twice_moves_when_both_are_over(made: Made) -> None:
    held = (Unfreeze(at=0.6, part="ssl", layers=(1, 1)), Unfreeze(at=0.3, part="ssl"))
    groups = parameter_groups(made(), FinetuneConfig(unfreeze=held, ssl_layer_decay=0.5), BASE_RATE, SSL_RATE)
    shares = {group.name.partition("@")[0]: group.from_share for group in groups}
    assert shares["frontends.0.layers.1"] == 0.6
    assert shares["frontends.0.layers.2"] == shares["frontends.0.layers.3"] == shares["frontends.0.mix"] == 0.3
    assert shares["sinc"] == 0


# Warm start


def saved(model: Countermeasure, config: CountermeasureConfig, path: Path) -> str:
    """Write a model whose every trained weight has moved, as after a training."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    save_checkpoint(Checkpoint.of(model, "test", config, {}), path)
    return str(path)


def score(model: Detector) -> Tensor:
    with torch.inference_mode():
        return model.eval()(CLIPS).score


def started(
    source: str, start: str, ssl: dict[str, Any], *, fresh: tuple[str, ...] = (), **options: Any
) -> Countermeasure:
    torch.manual_seed(1)
    model = Countermeasure(config_of(source, ssl, **options))
    start_from(model, FinetuneConfig(start=start, fresh=fresh))
    return model


@pytest.fixture
def first(made: Made, source: str, tmp_path: Path) -> tuple[Countermeasure, str]:
    """A trained model, and its file."""
    model = made()
    return model, saved(model, config_of(source, {"trainable": [1, 3]}), tmp_path / "best.safetensors")


def test_a_started_model_is_the_one_that_it_starts_from(first: tuple[Countermeasure, str], source: str) -> None:
    model, path = first
    for start in (path, str(Path(path).parent)):
        assert torch.equal(score(started(source, start, {"trainable": [2, 3]})), score(model))


def test_new_adapters_change_nothing_and_the_weights_below_are_found(
    first: tuple[Countermeasure, str], source: str
) -> None:
    model, path = first
    with_adapters = started(source, path, {"lora": {"rank": 2}})
    assert torch.equal(score(with_adapters), score(model))
    assert any("lora_A" in name for name in trained(with_adapters))


def test_former_adapters_are_taken_over(source: str, tmp_path: Path) -> None:
    lora = {"lora": {"rank": 2}}
    torch.manual_seed(0)
    model = Countermeasure(config_of(source, lora))
    path = saved(model, config_of(source, lora), tmp_path / "m.safetensors")
    assert torch.equal(score(started(source, path, lora)), score(model))
    with pytest.raises(CheckpointError, match=r"\+ frontends\.0\..*lora_A.* is unknown"):
        started(source, path, {})
    with pytest.raises(CheckpointError, match=r"! frontends\.0\..*lora_A.* is \(2, 16\), wanted \(3, 16\)"):
        started(source, path, {"lora": {"rank": 3}})


def test_layers_that_were_trained_before_and_are_frozen_now_stay_in_the_file(
    first: tuple[Countermeasure, str], source: str, tmp_path: Path
) -> None:
    """A light file leaves frozen layers to their source, which has other weights than the start."""
    _, path = first
    model = started(source, path, {"trainable": [3, 3]})
    assert {name.split(".")[3] for name in model.replaced} == {"1", "2", "3"}
    again = tmp_path / "again.safetensors"
    save_checkpoint(Checkpoint.of(model, "test", config_of(source, {"trainable": [3, 3]}), {}), again)
    assert torch.equal(score(load_checkpoint(again).build()), score(model))
    assert {name for name in load_checkpoint(again).state if ".layers.0." in name and "frontends.0" in name} == set()


@pytest.mark.parametrize("ssl", [{"trainable": [1, 3]}, {"precision": "bfloat16"}])
def test_nothing_is_replaced_where_the_start_has_the_published_weights(
    made: Made, source: str, tmp_path: Path, ssl: dict[str, Any]
) -> None:
    path = saved(made({}), config_of(source, {}), tmp_path / "m.safetensors")
    assert started(source, path, ssl).replaced == frozenset()


def test_another_head_starts_afresh_when_it_is_named(first: tuple[Countermeasure, str], source: str) -> None:
    model, path = first
    options = {"head": {"kind": "one-class"}, "num_attacks": 3}
    with pytest.raises(CheckpointError) as caught:
        started(source, path, {"trainable": [1, 3]}, **options)
    message = str(caught.value)
    for line in (
        "5 entries:",
        "- head.centre (8,) is missing",
        "- attack_head.linear.weight (3, 8) is missing",
        "+ head.linear.weight (2, 8) is unknown",
    ):
        assert line in message
    torch.manual_seed(1)
    unstarted = Countermeasure(config_of(source, {"trainable": [1, 3]}, **options))
    fresh = started(source, path, {"trainable": [1, 3]}, fresh=("head",), **options)
    assert torch.equal(fresh.get_parameter("head.centre"), unstarted.get_parameter("head.centre"))
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(CLIPS).embedding, model.eval()(CLIPS).embedding)


def test_a_fresh_part_stays_fresh_where_the_start_has_it(first: tuple[Countermeasure, str], source: str) -> None:
    model, path = first
    torch.manual_seed(1)
    unstarted = Countermeasure(config_of(source, {}))
    fresh = started(source, path, {}, fresh=("ssl", "backend"))
    for name, tensor in fresh.state_dict().items():
        is_fresh = name.startswith(("frontends.0.", "backend."))
        assert torch.equal(tensor, (unstarted if is_fresh else model).state_dict()[name]), name
    assert fresh.replaced == frozenset()


def test_heads_of_other_tasks_can_be_left_behind(source: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Countermeasure(config_of(source, {}, num_attacks=3))
    path = saved(model, config_of(source, {}, num_attacks=3), tmp_path / "m.safetensors")
    assert torch.equal(score(started(source, path, {}, fresh=("attack_head",))), score(model))
    with pytest.raises(ConfigError, match="'attack_heads'"):
        started(source, path, {}, fresh=("attack_heads",))


def test_a_plain_detector_starts_from_its_like(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = SpectralLcnnConfig()
    first, second = build_model(config), build_model(config)
    save_checkpoint(Checkpoint.of(first, "test", config, {}), tmp_path / "m.safetensors")
    assert not torch.equal(score(first), score(second))
    start_from(second, FinetuneConfig(start=str(tmp_path / "m.safetensors")))
    assert torch.equal(score(first), score(second))
    before = copied(second)
    start_from(second, FinetuneConfig())
    assert moved(second, before) == set()


# L2-SP


def test_the_distance_to_the_start_is_half_the_sum_of_squares(first: tuple[Countermeasure, str], source: str) -> None:
    _, path = first
    config = FinetuneConfig(start=path, fresh=("head",), frozen=("sinc",))
    model = started(source, path, {"lora": {"rank": 2}, "trainable": [2, 2]}, fresh=("head",))
    apply_freezing(model, config)
    start = Start(model, config)
    assert start.distance() == 0
    shared = {name for name in trained(model) if "lora_" not in name and not name.startswith("head.")}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(0.5 if name in shared else 7.0)
    num_weights = sum(model.get_parameter(name).numel() for name in shared)
    distance = start.distance()
    assert distance.item() == pytest.approx(num_weights * 0.25 / 2, rel=1e-5)  # sums of thousands in float32
    distance.backward()
    for name, parameter in model.named_parameters():
        if name in shared:
            torch.testing.assert_close(parameter.grad, torch.full_like(parameter, 0.5))
        else:
            assert parameter.grad is None


def test_without_a_start_only_a_published_model_is_older_than_the_training(made: Made) -> None:
    model = made()
    start = Start(model, FinetuneConfig())
    start.distance().backward()
    assert {name for name, one in model.named_parameters() if one.grad is not None} == trained(model) & model.borrowed()
    with pytest.raises(ConfigError, match="distance to the start"):
        Start(made({}), FinetuneConfig())


# Configurations


@pytest.mark.parametrize(
    "options",
    [
        {"start": ""},
        {"fresh": ("head",)},
        {"rates": {"ssl": 0}},
        {"ssl_layer_decay": 0},
        {"ssl_layer_decay": 1.1},
        {"unfreeze": ({"at": 0, "part": "ssl"},)},
        {"unfreeze": ({"at": 1, "part": "ssl"},)},
        {"unfreeze": ({"at": 0.5, "part": "head", "layers": (0, 1)},)},
        {"unfreeze": ({"at": 0.5, "part": "ssl", "layers": (2, 1)},)},
        {"freeze": ("ssl",)},
    ],
)
def test_impossible_configurations_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FinetuneConfig.model_validate(options)
