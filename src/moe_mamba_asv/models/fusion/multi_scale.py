"""Multi-scale fusion: what happens at once, and what happens in the course of half a second."""

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from moe_mamba_asv.models.fusion.fusion import Fusion


class MultiScaleConfig(BaseModel):
    """Size of a `MultiScale`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["multi-scale"] = "multi-scale"
    kernel_frames: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(3, 9, 27), min_length=1, description="frames that the convolution of each scale sees; odd"
    )

    @model_validator(mode="after")
    def _kernels_have_a_middle(self) -> "MultiScaleConfig":
        if any(kernel % 2 == 0 for kernel in self.kernel_frames):
            raise ValueError(f"kernel_frames {self.kernel_frames}; wanted odd numbers, so that a frame keeps its place")
        return self


class MultiScale(Fusion):
    """Concatenated channels > for each scale: depthwise convolution over time > GELU > Linear of all to one width.

    A convolution is depthwise, a channel on its own, and so keeps the streams apart up to the projection.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: MultiScaleConfig) -> None:
        super().__init__()
        self.scales_first = _scales(width, config)
        self.scales_second = _scales(width, config)
        num_scales = len(config.kernel_frames)
        self.project_first = nn.Linear(num_scales * width, width, bias=False)
        self.project_second = nn.Linear(num_scales * width, width, bias=False)

    def parts(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fusion`."""
        return (
            self.project_first(_at_all_scales(self.scales_first, first)),
            self.project_second(_at_all_scales(self.scales_second, second)),
        )


def _scales(width: int, config: MultiScaleConfig) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width, bias=False)
        for kernel in config.kernel_frames
    )


def _at_all_scales(scales: nn.ModuleList, frames: Tensor) -> Tensor:
    """(batch, frames, width) to (batch, frames, scales · width)."""
    channels_first = frames.transpose(1, 2)
    seen = [nn.functional.gelu(convolve(channels_first)) for convolve in scales]
    return torch.cat(seen, dim=1).transpose(1, 2)
