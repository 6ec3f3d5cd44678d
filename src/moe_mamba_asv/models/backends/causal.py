"""Mamba in one direction of time, for sound that is judged while it comes in."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.backends.backend import Backend, BackendOutput
from moe_mamba_asv.models.backends.mamba import Mamba, MambaConfig, MambaState


class CausalMambaConfig(BaseModel):
    """Size of a `CausalMamba`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["mamba"] = "mamba"
    num_blocks: int = Field(default=4, ge=1, description="blocks, each of one direction: the past")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="on what a block adds, in training")
    mamba: MambaConfig = Field(default=MambaConfig(), description="size of a block")


class CausalMambaBlock(nn.Module):
    """x + dropout(Mamba(norm x)); the norm is of each frame alone.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: CausalMambaConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mamba = Mamba(width, config.mamba)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(batch, frames, width) to the same; lengths as in `Backend`."""
        return frames + self.dropout(self.mamba(self.norm(frames), lengths))

    def stream(self, frames: Tensor, state: MambaState) -> tuple[Tensor, MambaState]:
        """The next chunk of a stream; see `Mamba.stream`."""
        added, state = self.mamba.stream(self.norm(frames), state)
        return frames + self.dropout(added), state


class CausalMamba(Backend):
    """n × (norm > Mamba > residual) > norm; a frame sees those before it and no other.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: CausalMambaConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(CausalMambaBlock(width, config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> BackendOutput:
        """Embed a batch of clips; see `Backend`."""
        for block in self.blocks:
            frames = block(frames, lengths)
        return BackendOutput(self.norm(frames))

    def stream(self, frames: Tensor, states: tuple[MambaState, ...]) -> tuple[Tensor, tuple[MambaState, ...]]:
        """Embed the next chunk of a stream: (batch, frames, width), one frame or many; the whole's frames to rounding.

        Args:
            frames: what follows the frames that made ``states``.
            states: of `empty_state` at the start, then what the last call answered.
        """
        kept = []
        for block, state in zip(self._stack(), states, strict=True):
            frames, state = block.stream(frames, state)
            kept.append(state)
        return self.norm(frames), tuple(kept)

    def empty_state(self, batch: int, like: Tensor) -> tuple[MambaState, ...]:
        """The state of each block before the first frame, on the device and in the type of ``like``."""
        return tuple(block.mamba.empty_state(batch, like) for block in self._stack())

    def _stack(self) -> list[CausalMambaBlock]:
        """The blocks, in their order."""
        return [block for block in self.blocks if isinstance(block, CausalMambaBlock)]
