"""How the weights are found: the training section of a recipe."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from moe_mamba_asv.audio.augment.augmentation import Augmentation
from moe_mamba_asv.audio.augment.rawboost import RawBoost
from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.training.adversarial import FgmConfig
from moe_mamba_asv.training.averaging import AveragingConfig, NoAveraging
from moe_mamba_asv.training.data.batches import SamplingConfig
from moe_mamba_asv.training.data.vocoded import VocodedConfig
from moe_mamba_asv.training.finetune.config import FinetuneConfig
from moe_mamba_asv.training.guards import GuardConfig
from moe_mamba_asv.training.losses.objective import ObjectiveConfig
from moe_mamba_asv.training.mixup import MixupConfig


class TrainingConfig(BaseModel):
    """How the weights are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_size: int = Field(ge=1, description="clips a step, on all devices and in all micro-batches together")
    accumulate: int = Field(default=1, ge=1, description="micro-batches that a step is computed in, to save memory")
    epochs: int = Field(ge=1, description="passes over the training partition; --max-steps overrules it")
    early_stop_epochs: int | None = Field(
        default=None, ge=1, description="end after so many epochs without a better EER on dev"
    )
    learning_rate: float = Field(gt=0, description="of Adam, at the first step")
    min_learning_rate: float = Field(ge=0, description="at the last step; a cosine joins the two")
    ssl_learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="of the trained layers of a self-supervised stream; learning_rate when not given",
    )
    weight_decay: float = Field(ge=0, description="L2 penalty in Adam")
    clip_gradient: float | None = Field(default=None, gt=0, description="largest norm of a step's whole gradient")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of activations; auto: bfloat16 on a GPU that has it, else float32"
    )
    objective: ObjectiveConfig = Field(description="what is minimised")
    finetune: FinetuneConfig = Field(default=FinetuneConfig(), description="where weights start, and which may move")
    sampling: SamplingConfig = Field(default=SamplingConfig(), description="which clips share a batch")
    averaging: AveragingConfig = Field(default=NoAveraging(), description="mean of weights over steps or epochs")
    guard: GuardConfig = Field(default=GuardConfig(), description="what happens when a number is not finite")
    augment: tuple[Augmentation, ...] = Field(
        default=(), description="what is done to each crop in training, in turn; see docs/augmentation.md"
    )
    augment_on_device: bool = Field(
        default=False,
        description="RawBoost, alone in `augment`, of a whole batch on the training device, in place of each crop in "
        "the loader; the same sound up to rounding",
    )
    vocoded: VocodedConfig | None = Field(
        default=None, description="bona fide clips replaced by their own synthesis, as spoofed ones; none without"
    )
    mixup: MixupConfig | None = Field(default=None, description="mixtures of two clips; none without")
    fgm: FgmConfig | None = Field(default=None, description="adversarial steps on frames; none without")
    num_samples: int = Field(
        default=NUM_SAMPLES, ge=1600, description="samples at 16 kHz that dev and scoring hear of a clip"
    )
    crop_samples: int = Field(default=NUM_SAMPLES, ge=1600, description="samples of a random crop in training")
    crops_per_clip: int = Field(default=1, ge=1, description="how often an epoch hears each clip")
    frozen_features: bool = Field(
        default=False,
        description="keep what frozen layers answer to the first num_samples of each clip, in place of random crops",
    )
    keep_best: int = Field(default=1, ge=1, description="model files kept of the best epochs on dev")
    state_every_steps: int = Field(
        default=500, ge=1, description="steps between two states to resume from or roll back to, besides each epoch's"
    )

    @model_validator(mode="after")
    def _device_can_augment(self) -> "TrainingConfig":
        if self.augment_on_device and [type(one) for one in self.augment] != [RawBoost]:
            raise ValueError("augment_on_device; wanted RawBoost, and nothing else, in augment")
        return self

    @model_validator(mode="after")
    def _features_stand_still(self) -> "TrainingConfig":
        changes = self.mixup is not None or self.vocoded is not None or bool(self.augment)
        if self.frozen_features and (changes or self.sampling.bucket_by_duration):
            raise ValueError(
                "frozen_features with mixup, augment, vocoded or bucket_by_duration, which change what is heard"
            )
        return self
