"""What masked prediction is trained by."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.training.pretrain.masks import MaskConfig
from moe_mamba_asv.training.pretrain.mixing import MixingConfig


class PretrainConfig(BaseModel):
    """How a self-supervised model is trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=1000, ge=1, description="of the optimiser, in all")
    batch_size: int = Field(default=8, ge=1, description="crops a step")
    crop_s: float = Field(default=4.0, ge=1, le=30, description="of a random crop, in seconds")
    learning_rate: float = Field(default=1e-4, gt=0, description="of Adam, at its highest")
    warm_up_share: float = Field(
        default=0.1, ge=0, lt=1, description="of the steps, in which the rate rises from 0; then it falls to 0"
    )
    clip_gradient: float = Field(default=1.0, gt=0, description="largest norm of a step's whole gradient")
    from_scratch: bool = Field(default=False, description="draw the first weights at random")
    trainable: tuple[int, int] | None = Field(
        default=None, description="first and last encoder layer that is trained, from 0; none: the whole model"
    )
    layer: int | None = Field(
        default=None,
        ge=1,
        description="hidden state of the starting model whose clusters are the targets; none: the middle one, or "
        "log-mel spectra where the weights are drawn at random",
    )
    clusters: int = Field(default=100, ge=2, description="kinds of frames to tell apart")
    cluster_frames: int = Field(default=20_000, ge=2, description="frames at most that the clusters are found among")
    mask: MaskConfig = Field(default=MaskConfig(), description="which frames are hidden from the model")
    unmasked_weight: float = Field(
        default=0.0, ge=0, description="of the loss on frames that are not hidden; on hidden ones it counts once"
    )
    mixing: MixingConfig | None = Field(default=None, description="second sounds in parts of clips; none without")
    held_out_share: float = Field(
        default=0.05, gt=0, le=0.5, description="of the files, which are not trained on; 64 at most"
    )
    every_steps: int = Field(
        default=100, ge=1, description="steps between two states, with the loss on what was held out"
    )
    patience: int = Field(default=5, ge=1, description="steps skipped in a row before the run stops")

    @model_validator(mode="after")
    def _layers_make_sense(self) -> Self:
        if self.trainable is not None and not 0 <= self.trainable[0] <= self.trainable[1]:
            raise ValueError(f"trainable {self.trainable}; wanted first and last layer, from 0")
        if self.from_scratch and (self.layer, self.trainable) != (None, None):
            raise ValueError("random weights have no hidden state worth clustering, and no layer worth keeping")
        return self

    @classmethod
    def checked(cls, **values: Any) -> Self:
        """Build it from options.

        Raises:
            ConfigError: a value is impossible.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"])) or "these options together"
            raise ConfigError(f"{where}: {fault['msg']}") from error
