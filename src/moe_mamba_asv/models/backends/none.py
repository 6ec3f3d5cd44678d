"""No back-end: frames go to the pooling as the front-end answered them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from moe_mamba_asv.models.backends.backend import Backend, BackendOutput


class NoBackendConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["none"] = "none"


class NoBackend(Backend):
    """Hands on what it is given."""

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> BackendOutput:
        """See `Backend`."""
        return BackendOutput(frames)
