"""The model line of the report: front-end(s) > fusion > back-end > pooling > head.

Every phase is this one class and a recipe. Phase 4, for one, reads: a WavLM stream and a SincNet stream, both projected
to 144; squeeze-and-excitation over the two; four BiMamba blocks; attentive pooling; a linear head.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from moe_mamba_asv.models.backends.build import BackendConfig, build_backend
from moe_mamba_asv.models.frontends.build import FrontendConfig, build_frontend
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.fusion.build import FusionConfig, build_fusion
from moe_mamba_asv.models.heads import AttackHead, HeadConfig, ProjectionHead, build_head
from moe_mamba_asv.models.output import CountermeasureOutput, Detector
from moe_mamba_asv.models.pooling import PoolingConfig, build_pooling


class CountermeasureConfig(BaseModel):
    """Parts of a `Countermeasure`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["countermeasure"] = "countermeasure"
    frontends: tuple[FrontendConfig, ...] = Field(min_length=1, max_length=2, description="one stream, or two")
    width: int = Field(default=144, ge=1, description="of a frame after each stream's projection")
    fusion: FusionConfig | None = Field(default=None, description="how two streams become one; none for one stream")
    backend: BackendConfig = Field(description="what relates frames over time")
    pooling: PoolingConfig = Field(description="how frames become one embedding")
    head: HeadConfig = Field(description="how the embedding becomes a score")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="on the embedding, in training")
    projection_width: int | None = Field(
        default=None, ge=1, description="of the projection that a contrastive loss compares; none without"
    )
    num_attacks: int | None = Field(
        default=None, ge=2, description="classes of an attack-type head for multi-task training; none without"
    )

    @model_validator(mode="after")
    def _streams_and_fusion_agree(self) -> "CountermeasureConfig":
        if (len(self.frontends) == 2) != (self.fusion is not None):
            raise ValueError(
                f"{len(self.frontends)} front-end(s) with fusion {self.fusion}; two need one, one has none"
            )
        return self


class Countermeasure(Detector):
    """Front-end(s) > projection > (fusion) > back-end > pooling > head.

    Auxiliaries, where the parts are there: ``stream_shares`` (batch, 2), what each stream contributes;
    ``load_balance``, the routers' loss; ``expert_share`` (blocks, experts) and ``router_entropy`` (blocks,);
    ``projection`` (batch, projection_width); ``attack_logits`` (batch, num_attacks).

    Args:
        config: the parts.
        architectures: of the self-supervised models inside, for each front-end; see `build_frontend`.
    """

    def __init__(
        self, config: CountermeasureConfig, architectures: Sequence[Mapping[str, Any] | None] | None = None
    ) -> None:
        super().__init__()
        architectures = architectures or [None] * len(config.frontends)
        streams = list(map(build_frontend, config.frontends, architectures))
        self.frontends = nn.ModuleList(streams)
        self.projections = nn.ModuleList(nn.Linear(stream.width, config.width) for stream in streams)
        self.fusion = None if config.fusion is None else build_fusion(config.fusion, config.width)
        self.backend = build_backend(config.backend, config.width)
        self.pooling = build_pooling(config.pooling, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = build_head(config.head, self.pooling.width)
        self.projection = (
            None if config.projection_width is None else ProjectionHead(self.pooling.width, config.projection_width)
        )
        self.attack_head = None if config.num_attacks is None else AttackHead(self.pooling.width, config.num_attacks)

    def forward(self, waveforms: Tensor) -> CountermeasureOutput:
        """Score a (batch, samples) tensor of 16 kHz waveforms."""
        auxiliaries: dict[str, Tensor] = {}
        streams = [
            project(frontend(waveforms)) for frontend, project in zip(self.frontends, self.projections, strict=True)
        ]
        if self.fusion is None:
            frames = streams[0]
        else:
            fused = self.fusion(*streams)
            frames, auxiliaries["stream_shares"] = fused.frames, fused.shares
        output = self.backend(frames)
        if output.routers:
            auxiliaries["load_balance"] = torch.stack([router.load_balance_loss for router in output.routers]).mean()
            auxiliaries["expert_share"] = torch.stack([router.expert_share for router in output.routers])
            auxiliaries["router_entropy"] = torch.stack([router.entropy for router in output.routers])
        embedding = self.dropout(self.pooling(output.frames))
        if self.projection is not None:
            auxiliaries["projection"] = self.projection(embedding)
        if self.attack_head is not None:
            auxiliaries["attack_logits"] = self.attack_head(embedding)
        score, logits = self.head(embedding)
        return CountermeasureOutput(score, embedding, logits, auxiliaries)

    def streams(self) -> list[Frontend]:
        """The front-ends, in their order."""
        return [frontend for frontend in self.frontends if isinstance(frontend, Frontend)]

    def borrowed(self) -> frozenset[str]:
        """What the self-supervised streams hold; see `Detector.borrowed`."""
        named = enumerate(self.streams())
        return frozenset(f"frontends.{index}.{name}" for index, stream in named for name in stream.borrowed())

    def architectures(self) -> list[dict[str, Any] | None]:
        """Of the self-supervised models inside, JSON-able; with these a copy is built without their sources."""
        return [stream.architecture for stream in self.streams()]
