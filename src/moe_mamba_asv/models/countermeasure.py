"""The model line of the report: front-end(s) > fusion > back-end > pooling > head.

Every phase is this one class and a recipe. Phase 4, for one, makes of clips of 64,600 samples (4.0375 s):

    WavLM      (batch, 201, 1024)  >  projection  (batch, 201, 144)
    SincNet    (batch,  29,  192)  >  projection  (batch,  29, 144)
    squeeze-and-excitation over both, SincNet's frames resampled to WavLM's times  (batch, 201, 144)
    4 BiMamba blocks      (batch, 201, 144)
    attentive pooling     (batch, 144), the embedding
    linear head           (batch,), the score

`Countermeasure.frames` goes as far as the back-end, `Countermeasure.decide` from there on; `forward` is the one after
the other. `Countermeasure.fixed` answers what no training changes of the front-ends; given that, `frames` goes on from
there.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.backends.backend import RouterStatistics
from moe_mamba_asv.models.backends.build import BackendConfig, build_backend
from moe_mamba_asv.models.discriminant_head import DiscriminantHead, DiscriminantHeadConfig
from moe_mamba_asv.models.frontends.build import FrontendConfig, build_frontend
from moe_mamba_asv.models.frontends.frontend import Frontend
from moe_mamba_asv.models.fusion.build import FusionConfig, build_fusion
from moe_mamba_asv.models.heads import AttackHead, DomainHead, HeadConfig, ProjectionHead, build_head
from moe_mamba_asv.models.output import CountermeasureOutput, Detector
from moe_mamba_asv.models.pooling import PoolingConfig, build_pooling


class CountermeasureConfig(BaseModel):
    """Parts of a `Countermeasure`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["countermeasure"] = "countermeasure"
    frontends: tuple[FrontendConfig, ...] = Field(min_length=1, max_length=2, description="one stream, or two")
    width: int | None = Field(
        default=144, ge=1, description="of a frame after each stream's projection; none: one stream, as wide as it is"
    )
    fusion: FusionConfig | None = Field(default=None, description="how two streams become one; none for one stream")
    backend: BackendConfig = Field(description="what relates frames over time")
    pooling: PoolingConfig = Field(description="how frames become one embedding")
    head: HeadConfig = Field(description="how the embedding becomes a score")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="on the embedding, in training")
    projection_width: int | None = Field(
        default=None, ge=1, description="of the projection that a contrastive loss compares; none without"
    )
    num_attacks: int | None = Field(
        default=None,
        ge=2,
        description="classes of an attack-type head for multi-task training: bona fide, and each attack of training; "
        "none without",
    )
    num_domains: int | None = Field(
        default=None,
        ge=2,
        description="corpora of training that a domain head tells apart, so that the embedding learns to hide them; "
        "none without",
    )

    @model_validator(mode="after")
    def _streams_and_fusion_agree(self) -> "CountermeasureConfig":
        if (len(self.frontends) == 2) != (self.fusion is not None):
            raise ValueError(
                f"{len(self.frontends)} front-end(s) with fusion {self.fusion}; two need one, one has none"
            )
        if self.fusion is not None and self.width is None:
            raise ValueError("two streams without a width; wanted a number, as they are to be equally wide")
        return self

    @model_validator(mode="after")
    def _what_is_counted_is_whole(self) -> "CountermeasureConfig":
        if isinstance(self.head, DiscriminantHeadConfig) and self.dropout:
            raise ValueError(
                f"a discriminant head with dropout {self.dropout}; wanted 0, as it counts what it is shown"
            )
        return self


class Countermeasure(Detector):
    """Front-end(s) > projection > (fusion) > back-end > pooling > head.

    Auxiliaries, where the parts are there: ``stream_shares`` (batch, 2), what each stream contributes;
    ``load_balance``, the routers' loss; ``expert_share`` (blocks, experts) and ``router_entropy`` (blocks,);
    ``projection`` (batch, projection_width); ``attack_logits`` (batch, num_attacks); ``domain_logits``
    (batch, num_domains).

    Args:
        config: the parts.
        architectures: of the self-supervised models inside, for each front-end; see `build_frontend`.

    Attributes:
        config: as given.
    """

    def __init__(
        self, config: CountermeasureConfig, architectures: Sequence[Mapping[str, Any] | None] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        architectures = architectures or [None] * len(config.frontends)
        streams = list(map(build_frontend, config.frontends, architectures))
        self.frontends = nn.ModuleList(streams)
        width = streams[0].width if config.width is None else config.width
        self.projections = nn.ModuleList(
            nn.Identity() if config.width is None else nn.Linear(stream.width, width) for stream in streams
        )
        self.fusion = None if config.fusion is None else build_fusion(config.fusion, width)
        self.backend = build_backend(config.backend, width)
        self.pooling = build_pooling(config.pooling, width)
        self.dropout = nn.Dropout(config.dropout)
        self.head = build_head(config.head, self.pooling.width)
        self.projection = (
            None if config.projection_width is None else ProjectionHead(self.pooling.width, config.projection_width)
        )
        self.attack_head = None if config.num_attacks is None else AttackHead(self.pooling.width, config.num_attacks)
        self.domain_head = None if config.num_domains is None else DomainHead(self.pooling.width, config.num_domains)

    def forward(self, waveforms: Tensor, fixed: Sequence[Tensor] = ()) -> CountermeasureOutput:
        """Score a (batch, samples) tensor of 16 kHz waveforms; see `frames` for ``fixed``."""
        return self.decide(*self.frames(waveforms, fixed))

    def fixed(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        """What no training changes of the front-ends that have such a part, in their order; see `Frontend.fixed`.

        Args:
            waveforms: (batch, samples), 16 kHz.

        Returns:
            Tensors that begin with the batch; none where every front-end is trained from the waveforms on.
        """
        parts = (stream.fixed(waveforms) for stream in self.streams() if stream.num_fixed)
        return tuple(tensor for part in parts for tensor in part)

    def frames(self, waveforms: Tensor, fixed: Sequence[Tensor] = ()) -> tuple[Tensor, dict[str, Tensor]]:
        """Listen: from waveforms to what the back-end reads.

        Args:
            waveforms: (batch, samples), 16 kHz.
            fixed: what `fixed` answered of these waveforms, where it was kept: the front-ends that have such a part go
                on from there, and only the others hear the waveforms. Without it all of them do.

        Returns:
            Frames (batch, frames, width), and the auxiliaries that are known by now.

        Raises:
            ConfigError: ``fixed`` is of another model, or one whose training goes deeper or less deep.
        """
        return self.fuse(self.projected(waveforms, fixed))

    def projected(self, waveforms: Tensor, fixed: Sequence[Tensor] = ()) -> list[Tensor]:
        """What each stream hands to the fusion; the arguments and the error are those of `frames`.

        Returns:
            (batch, frames of the stream, width) for each front-end.
        """
        kept = self._by_stream(fixed) if fixed else [()] * len(self.frontends)
        return [
            project(stream.learned(*own) if own else stream(waveforms))
            for stream, project, own in zip(self.streams(), self.projections, kept, strict=True)
        ]

    def fuse(self, streams: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """From what `projected` answered to what `decide` takes."""
        if self.fusion is None:
            return streams[0], {}
        fused = self.fusion(*streams)
        return fused.frames, {"stream_shares": fused.shares}

    def decide(self, frames: Tensor, auxiliaries: Mapping[str, Tensor] | None = None) -> CountermeasureOutput:
        """Judge: from frames to scores.

        Args:
            frames: (batch, frames, width).
            auxiliaries: known already, to be handed on with those that are found here.
        """
        output = self.backend(frames)
        embedding = self.dropout(self.pooling(output.frames))
        found = {**(auxiliaries or {}), **_of_routers(output.routers)}
        beside = {"projection": self.projection, "attack_logits": self.attack_head, "domain_logits": self.domain_head}
        found |= {name: head(embedding) for name, head in beside.items() if head is not None}
        score, logits = self.head(embedding)
        return CountermeasureOutput(score, embedding, logits, found)

    def observe(self, embedding: Tensor, attacks: Tensor) -> None:
        """See `Detector.observe`."""
        if isinstance(self.head, DiscriminantHead):
            self.head.observe(embedding, attacks)

    def _by_stream(self, fixed: Sequence[Tensor]) -> list[tuple[Tensor, ...]]:
        """What `fixed` answered, for each front-end; empty for one that hears the waveforms."""
        counts = [stream.num_fixed for stream in self.streams()]
        if len(fixed) != sum(counts):
            raise ConfigError(
                f"{len(fixed)} kept tensors for front-ends that go on from {sum(counts)}",
                remedy="keep them anew, with the same layers trained",
            )
        tensors = iter(fixed)
        return [tuple(islice(tensors, count)) for count in counts]

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


def _of_routers(routers: Sequence[RouterStatistics]) -> dict[str, Tensor]:
    """The auxiliaries of all blocks' routers; empty where there is none."""
    if not routers:
        return {}
    return {
        "load_balance": torch.stack([router.load_balance_loss for router in routers]).mean(),
        "expert_share": torch.stack([router.expert_share for router in routers]),
        "router_entropy": torch.stack([router.entropy for router in routers]),
    }
