"""How a model is fine-tuned, as a recipe says it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Unfreeze(BaseModel):
    """Weights that are held for the first part of a run.

    Until then they get no gradient, so neither weight decay nor the optimiser's moments touch them; their modules run
    in training mode all the while.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: float = Field(gt=0, lt=1, description="share of the run's steps that is over when they begin to move")
    part: str = Field(min_length=1, description="a part, or what names of weights begin with")
    layers: tuple[int, int] | None = Field(
        default=None, description="first and last encoder layer of part ssl, from 0; none: the whole part"
    )

    @model_validator(mode="after")
    def _layers_are_of_ssl(self) -> "Unfreeze":
        if self.layers is not None and self.part != "ssl":
            raise ValueError(f"layers {self.layers} of part {self.part!r}; wanted part ssl")
        if self.layers is not None and not 0 <= self.layers[0] <= self.layers[1]:
            raise ValueError(f"layers {self.layers}; wanted first and last layer, from 0")
        return self


class FinetuneConfig(BaseModel):
    """Where weights start, and which may move. A name is a part, or what names of weights begin with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: str | None = Field(
        default=None,
        min_length=1,
        description="model file, run folder or hf:// name whose weights training starts from",
    )
    fresh: tuple[str, ...] = Field(
        default=(), description="weights that start afresh instead, whatever `start` holds; new adapters always do"
    )
    frozen: tuple[str, ...] = Field(
        default=(), description="weights that never move; their modules stay in evaluation mode"
    )
    freeze_batch_norm: bool = Field(
        default=False, description="whether batch norms keep their statistics, scales and shifts"
    )
    rates: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="learning rates of their own, by name; the longest name that fits a weight decides",
    )
    ssl_layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="the rate of part ssl times this, once for each layer from the highest that is trained down to the "
        "layer of a weight; not where `rates` names the layer",
    )
    unfreeze: tuple[Unfreeze, ...] = Field(
        default=(),
        description="weights that are held at first; of several entries for a weight, the last to end counts",
    )

    @model_validator(mode="after")
    def _fresh_instead_of_something(self) -> "FinetuneConfig":
        if self.fresh and self.start is None:
            raise ValueError(f"fresh {self.fresh} without start, where everything is")
        return self
