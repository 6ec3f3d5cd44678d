"""Mixture of experts: a router sends every frame to a few of many small networks."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from moe_mamba_asv.models.backends.backend import Backend, BackendOutput, RouterStatistics, own_frames
from moe_mamba_asv.models.backends.bimamba import BiMambaBlock, BiMambaBlockConfig


class MoeConfig(BaseModel):
    """Size of a `MixtureOfExperts`. An expert has no capacity: it serves every frame that it is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_experts: int = Field(default=4, ge=2, description="experts to choose from")
    # The weight of a single expert would be 1 whatever its logit, and the task would teach the router nothing.
    top_k: int = Field(default=2, ge=2, description="experts that serve a frame")
    expansion: int = Field(default=2, ge=1, description="hidden width of an expert, in widths of a frame")

    @model_validator(mode="after")
    def _enough_experts(self) -> "MoeConfig":
        if self.top_k > self.num_experts:
            raise ValueError(f"top_k {self.top_k} of {self.num_experts} experts; wanted at most num_experts")
        return self


class MixtureOfExperts(nn.Module):
    """Router > top k > softmax over those k > their experts' answers, so weighted, summed.

    An expert is Linear > GELU > Linear, and computes the frames that chose it, no others.

    Paper: Shazeer et al., "Outrageously large neural networks", 2017; the load-balance loss is that of Lepikhin et
    al., "GShard", 2020, and Fedus et al., "Switch Transformers", 2021. Differs from them: no noise on the logits, no
    capacity, and the loss counts all k choices of a frame, not only its first.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: MoeConfig) -> None:
        super().__init__()
        hidden = config.expansion * width
        self.top_k = config.top_k
        self.router = nn.Linear(width, config.num_experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
            for _ in range(config.num_experts)
        )

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, RouterStatistics]:
        """Let the experts answer.

        Args:
            frames: (batch, frames, width).
            lengths: (batch,), frames of each clip, at least 1; what lies behind them is sent to no expert.

        Returns:
            (batch, frames, width), 0 in the padding; and what the router did.
        """
        flat = frames.flatten(0, 1)
        if lengths is None:
            # As nonzero below would find, but of a size that the ONNX exporter knows.
            own = torch.arange(flat.shape[0], device=flat.device)
        else:
            own = own_frames(frames, lengths).flatten().nonzero().squeeze(1)
        logits = self._route(flat.index_select(0, own))
        kept, chosen = logits.topk(self.top_k, dim=-1)
        # All choices, one expert's after the other's, each expert's as they lie in the batch.
        by_expert = torch.arange(len(self.experts), device=chosen.device)[:, None] == chosen.flatten()
        counts, order = by_expert.sum(1), by_expert.nonzero()[:, 1]
        rows = own[order // self.top_k]
        # Every expert is called, be it with no frame at all: its weights then have a gradient in every process of a
        # distributed run.
        parts = flat.index_select(0, rows).split(counts.tolist())
        answers = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True)])
        weighted = kept.softmax(dim=-1).flatten()[order, None] * answers
        mixed = torch.zeros_like(flat).index_add_(0, rows, weighted.to(flat.dtype))
        return mixed.unflatten(0, frames.shape[:2]), router_statistics(logits, counts)

    def _route(self, frames: Tensor) -> Tensor:
        """Logits (frames, experts), in full precision: bfloat16 would make ties, and send close calls astray."""
        with torch.autocast(frames.device.type, enabled=False):
            return self.router(frames.to(self.router.weight.dtype))


def router_statistics(logits: Tensor, counts: Tensor) -> RouterStatistics:
    """Sum up what a router did.

    The load-balance loss is experts × Σ_e share_e · p_e, where share_e is the fraction of all choices that fell on
    expert e, and p_e its mean probability. The gradient reaches the router through p_e, and lowers it where the share
    is large.

    Args:
        logits: (frames, experts).
        counts: (experts,), choices of each expert.
    """
    log_probability = logits.log_softmax(dim=-1)
    probability = log_probability.exp()
    share = counts / counts.sum()
    return RouterStatistics(
        load_balance_loss=counts.shape[0] * (share * probability.mean(0)).sum(),
        expert_share=share,
        entropy=-(probability * log_probability).sum(-1).mean().detach(),
    )


class MoeBiMambaConfig(BiMambaBlockConfig):
    """Size of a `MoeBiMamba`."""

    kind: Literal["moe-bimamba"] = "moe-bimamba"
    num_blocks: int = Field(default=3, ge=1, description="blocks, each with both directions and a mixture of experts")
    moe: MoeConfig = Field(default=MoeConfig(), description="size of each mixture of experts")


class MoeBiMambaBlock(nn.Module):
    """BiMamba block, then x + dropout(mixture of experts(norm x)).

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: MoeBiMambaConfig) -> None:
        super().__init__()
        self.bimamba = BiMambaBlock(width, config)
        self.norm = nn.LayerNorm(width)
        self.mixture = MixtureOfExperts(width, config.moe)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, RouterStatistics]:
        """(batch, frames, width) to the same; see `MixtureOfExperts`."""
        frames = self.bimamba(frames, lengths)
        added, statistics = self.mixture(self.norm(frames), lengths)
        return frames + self.dropout(added), statistics


class MoeBiMamba(Backend):
    """n × (BiMamba block > norm > mixture of experts > residual) > norm.

    Args:
        width: of a frame.
        config: size.
    """

    def __init__(self, width: int, config: MoeBiMambaConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(MoeBiMambaBlock(width, config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> BackendOutput:
        """Embed a batch of clips; see `Backend`. One router's statistics for each block."""
        routers = []
        for block in self.blocks:
            frames, statistics = block(frames, lengths)
            routers.append(statistics)
        return BackendOutput(self.norm(frames), tuple(routers))
