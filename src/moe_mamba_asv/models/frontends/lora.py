"""LoRA: thin trained updates beside the frozen projections of a self-supervised model."""

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from moe_mamba_asv.errors import ConfigError

#: What PEFT lets the names of an adapter's parts begin with, and those of no encoder layer.
_PREFIX = "lora_"


class LoraConfig(BaseModel):
    """Which projections are adapted, and how far an update can reach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: int = Field(default=8, ge=1, description="of an update, which is the product of two thin matrices")
    alpha: int = Field(default=16, ge=1, description="an update counts alpha / rank times")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="on what an update reads, in training")
    targets: tuple[str, ...] = Field(
        default=("q_proj", "v_proj"),
        min_length=1,
        description="linear parts of an encoder layer that are adapted, by the last word of their names",
    )
    layers: tuple[int, int] | None = Field(
        default=None, description="first and last encoder layer that is adapted, from 0; none: all that are in use"
    )

    @model_validator(mode="after")
    def _first_before_last(self) -> "LoraConfig":
        if self.layers is not None and not 0 <= self.layers[0] <= self.layers[1]:
            raise ValueError(f"layers {self.layers}; wanted first and last layer, from 0")
        return self


def insert_adapters(layers: nn.ModuleList, config: LoraConfig) -> None:
    """Let W x become W x + alpha / rank · B A dropout(x), in place.

    A is drawn at random and B is zero, so at first nothing changes. Only A and B ask for a gradient afterwards. What
    was ``q_proj.weight`` in a state dict is ``q_proj.base_layer.weight`` from here on.

    Args:
        layers: encoder layers of a self-supervised model.
        config: which of them, and what in them.

    Raises:
        ConfigError: a layer has no linear part of that name.

    Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022.
    """
    import peft  # here and not at the top: it takes seconds

    first, last = config.layers or (0, len(layers) - 1)
    names = [name for index in range(first, last + 1) for name in _target_names(layers[index], str(index), config)]
    adapters = peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        # An expression, which has to match a whole name; in a list, the end of a name would do.
        target_modules="|".join(map(re.escape, names)),
    )
    peft.inject_adapter_in_model(adapters, layers)


def _target_names(layer: nn.Module, prefix: str, config: LoraConfig) -> Iterator[str]:
    linear = {
        name.rpartition(".")[2]: name
        for name, module in layer.named_modules(prefix=prefix)
        if isinstance(module, nn.Linear)
    }
    for target in config.targets:
        if target not in linear:
            raise ConfigError(
                f"lora target {target!r} in encoder layer {prefix}", wanted=f"any of {', '.join(sorted(linear))}"
            )
        yield linear[target]


def is_adapter(name: str) -> bool:
    """Whether a parameter or module of this name belongs to an adapter, and not to what is adapted."""
    return any(part.startswith(_PREFIX) for part in name.split("."))


def set_adapter_mode(layer: nn.Module, mode: bool) -> None:
    """As ``train(mode)``, of the adapters in a layer alone: of their dropout."""
    for name, module in layer.named_modules():
        if is_adapter(name):
            module.train(mode)
