"""Concatenation: the plainest fusion, to compare with."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from moe_mamba_asv.models.fusion.fusion import Fusion


class ConcatenationConfig(BaseModel):
    """Has no size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["concatenation"] = "concatenation"


class Concatenation(Fusion):
    """Concatenated channels > Linear to one stream's width, written as one Linear for each stream.

    Args:
        width: of a frame.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project_first = nn.Linear(width, width, bias=False)
        self.project_second = nn.Linear(width, width, bias=False)

    def parts(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fusion`."""
        return self.project_first(first), self.project_second(second)
