"""A Transformer encoder: the usual back-end, to compare with."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.attention import attend, require_heads, sinusoidal_positions
from moe_mamba_asv.models.backends.backend import Backend, BackendOutput, own_frames


class TransformerConfig(BaseModel):
    """Size of a `TransformerEncoder`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["transformer"] = "transformer"
    num_blocks: int = Field(default=4, ge=1, description="blocks, each with attention and a feed-forward network")
    heads: int = Field(default=4, ge=1, description="attention heads; they divide the width of a frame")
    expansion: int = Field(
        default=4, ge=1, description="hidden width of the feed-forward network, in widths of a frame"
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="on what a block adds, in training")


class TransformerBlock(nn.Module):
    """x + dropout(attention(norm x)), then x + dropout(Linear > GELU > Linear of norm x).

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: TransformerConfig) -> None:
        super().__init__()
        hidden = config.expansion * width
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width, bias=False)
        self.joined = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, seen: Tensor | None) -> Tensor:
        """(batch, frames, width) to the same.

        Args:
            frames: of a batch of clips.
            seen: (batch, frames), true where a frame may be attended to; None: everywhere.
        """
        queries, keys, values = self.queries_keys_values(self.attention_norm(frames)).chunk(3, dim=-1)
        frames = frames + self.dropout(self.joined(attend(queries, keys, values, self.heads, seen)))
        return frames + self.dropout(self.feed_forward(self.feed_forward_norm(frames)))


class TransformerEncoder(Backend):
    """Sinusoidal positions added > n × (norm > attention > residual > norm > feed-forward > residual) > norm.

    Paper: Vaswani et al., "Attention is all you need", 2017. Differs from it: the norms come first (Xiong et al., "On
    layer normalization in the Transformer architecture", 2020), which trains without warm-up; GELU for ReLU; no
    dropout on the attention.

    Args:
        width: of a frame.
        config: size.

    Raises:
        ConfigError: the heads do not divide the width.
    """

    def __init__(self, width: int, config: TransformerConfig) -> None:
        super().__init__()
        require_heads(width, config.heads)
        self.blocks = nn.ModuleList(TransformerBlock(width, config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> BackendOutput:
        """Embed a batch of clips of any length; see `Backend`."""
        seen = None
        if lengths is not None:
            seen = own_frames(frames, lengths)
            # An attention weight of 0 does not remove an infinity.
            frames = frames.masked_fill(~seen[..., None], 0)
        frames = frames + sinusoidal_positions(frames)
        for block in self.blocks:
            frames = block(frames, seen)
        return BackendOutput(self.norm(frames))
