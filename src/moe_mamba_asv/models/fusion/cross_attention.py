"""Cross-attention: each stream looks up in the other what it lacks."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.attention import attend, require_heads, sinusoidal_positions
from moe_mamba_asv.models.fusion.fusion import Fusion


class CrossAttentionConfig(BaseModel):
    """Size of a `CrossAttention`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["cross-attention"] = "cross-attention"
    heads: int = Field(default=4, ge=1, description="attention heads; they divide the width of a frame")


class Lookup(nn.Module):
    """Multi-head attention of one stream to another; positions help to find a frame, and are no part of what is found.

    Args:
        width: of a frame.
        heads: divide it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.queries = nn.Linear(width, width, bias=False)
        self.keys = nn.Linear(width, width, bias=False)
        self.values = nn.Linear(width, width, bias=False)
        self.joined = nn.Linear(width, width, bias=False)

    def forward(self, asking: Tensor, asked: Tensor) -> Tensor:
        """What the frames of one stream find in the other; all are (batch, frames, width)."""
        queries = self.queries(asking + sinusoidal_positions(asking))
        keys = self.keys(asked + sinusoidal_positions(asked))
        return self.joined(attend(queries, keys, self.values(asked), self.heads))


class CrossAttention(Fusion):
    """Norm > each + what it finds in the other > concatenated > Linear to one stream's width.

    What a stream adds is its own frames and what the other one finds in it.

    Paper: Lu et al., "ViLBERT", 2019, whose co-attention this is, without feed-forward networks.

    Args:
        width: of a frame.
        config: size.

    Raises:
        ConfigError: the heads do not divide the width.
    """

    def __init__(self, width: int, config: CrossAttentionConfig) -> None:
        super().__init__()
        require_heads(width, config.heads)
        self.norm_first = nn.LayerNorm(width)
        self.norm_second = nn.LayerNorm(width)
        self.first_asks = Lookup(width, config.heads)
        self.second_asks = Lookup(width, config.heads)
        self.project_first = nn.Linear(width, width, bias=False)
        self.project_second = nn.Linear(width, width, bias=False)

    def parts(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """See `Fusion`."""
        first, second = self.norm_first(first), self.norm_second(second)
        # project_first(first + found in second) + project_second(second + found in first), by origin of the content.
        from_first = self.project_first(first) + self.project_second(self.second_asks(second, first))
        from_second = self.project_second(second) + self.project_first(self.first_asks(first, second))
        return from_first, from_second
