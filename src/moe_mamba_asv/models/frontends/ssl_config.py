"""Which self-supervised model is a front-end, and how much of it."""

import itertools
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.frontends.lora import LoraConfig


class SslConfig(BaseModel):
    """Which self-supervised model, which of its layers, and what of it is trained.

    Hidden states are numbered as transformers does: 0 lies before the first encoder layer, k behind the k-th.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ssl"] = "ssl"
    source: str = Field(
        description="folder written by transformers' save_pretrained, or a hub id such as microsoft/wavlm-large"
    )
    layers: Literal["last", "weighted"] | tuple[int, ...] = Field(
        default="last",
        description="last: what the last encoder layer in use answers; weighted: a learned mean of all hidden states; "
        "numbers: these hidden states, for a cascade",
    )
    num_layers: int | None = Field(
        default=None, ge=1, description="encoder layers in use, from the first; default: as many as `layers` needs"
    )
    trainable: tuple[int, int] | None = Field(
        default=None, description="first and last encoder layer that is trained, from 0; none: all are frozen"
    )
    lora: LoraConfig | None = Field(
        default=None, description="adapters in layers whose own weights stay as they are, unless `trainable` names them"
    )
    standardised: bool = Field(
        default=False,
        description="whether each number of a hidden state is brought to mean 0 and deviation 1, over the clips of "
        "training, before hidden states are weighted",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="of weights and arithmetic below the first trained layer; bfloat16 is faster on a processor that "
        "has it, and moves hidden states by 1 to 2 %",
    )

    @model_validator(mode="after")
    def _layers_agree(self) -> "SslConfig":
        if not isinstance(self.layers, str):
            if not self.layers or self.layers[0] < 0 or any(b <= a for a, b in itertools.pairwise(self.layers)):
                raise ValueError(f"layers {self.layers}; wanted rising numbers from 0, such as [3, 12, 24]")
            if self.num_layers is not None and self.num_layers < self.layers[-1]:
                raise ValueError(f"layer {self.layers[-1]} of num_layers {self.num_layers}")
        if self.standardised and self.layers != "weighted":
            raise ValueError(f"standardised with layers {self.layers}; wanted layers weighted")
        if self.trainable is not None and not 0 <= self.trainable[0] <= self.trainable[1]:
            raise ValueError(f"trainable {self.trainable}; wanted first and last layer, from 0")
        return self


def layers_in_use(config: SslConfig, num_layers: int) -> int:
    """How many encoder layers of a model are built, of so many that it has.

    Raises:
        ConfigError: the configuration names layers that are not there.
    """
    if isinstance(config.layers, str):
        num_used = num_layers if config.num_layers is None else config.num_layers
    else:
        num_used = config.layers[-1] if config.num_layers is None else config.num_layers
    if num_used > num_layers:
        raise ConfigError(f"layer {num_used} of {config.source}", wanted=f"at most {num_layers}")
    adapted = None if config.lora is None else config.lora.layers
    for name, span in (("trainable", config.trainable), ("lora", adapted)):
        if span is not None and span[1] >= num_used:
            raise ConfigError(
                f"{name} layers {span} of {config.source}, of which {num_used} are in use",
                wanted=f"first and last from 0 to {num_used - 1}",
            )
    return num_used
