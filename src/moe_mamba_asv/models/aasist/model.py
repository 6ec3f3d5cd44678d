"""AASIST and AASIST-L, assembled."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.models.aasist.encoder import largest_of_nine, residual_encoder
from moe_mamba_asv.models.aasist.graph import GraphAttention, GraphPooling, HeterogeneousGraphAttention
from moe_mamba_asv.models.aasist.native.encoder import run_stem, serves_stem
from moe_mamba_asv.models.aasist.sinc_bank import SincBank
from moe_mamba_asv.models.output import CountermeasureOutput, Detector

_NUM_SPECTRAL_NODES = 23  # 70 bands, pooled by three


class AasistConfig(BaseModel):
    """Size of an `Aasist`; the defaults are the published AASIST."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["aasist"] = "aasist"
    encoder_width: int = Field(default=64, ge=1, description="channels of the last four encoder blocks; 24 in AASIST-L")
    graph_width: int = Field(default=32, ge=1, description="width of a node after the heterogeneous layers")
    keep_spectral: float = Field(default=0.5, gt=0, le=1, description="share of spectral nodes kept; 0.4 in AASIST-L")
    keep_temporal: float = Field(default=0.7, gt=0, le=1, description="share of temporal nodes kept; 0.5 in AASIST-L")
    keep_joint: float = Field(default=0.5, gt=0, le=1, description="share kept inside a branch; 0.7 in AASIST-L")


class Branch(nn.Module):
    """Heterogeneous attention > pooling > heterogeneous attention, residual. AASIST has two and takes the maximum."""

    def __init__(self, config: AasistConfig) -> None:
        super().__init__()
        narrow, wide = config.graph_width, config.encoder_width
        self.master = nn.Parameter(torch.randn(1, 1, wide))
        self.first = HeterogeneousGraphAttention(wide, narrow, temperature=100.0)
        self.temporal_pool = GraphPooling(narrow, config.keep_joint)
        self.spectral_pool = GraphPooling(narrow, config.keep_joint)
        self.second = HeterogeneousGraphAttention(narrow, narrow, temperature=100.0)
        self.dropout = nn.Dropout(0.2)

    def forward(self, temporal: Tensor, spectral: Tensor) -> list[Tensor]:
        """Answers temporal nodes, spectral nodes and the master node."""
        master = self.master.expand(temporal.shape[0], -1, -1)
        temporal, spectral, master = self.first(temporal, spectral, master)
        nodes = (self.temporal_pool(temporal), self.spectral_pool(spectral), master)
        return [self.dropout(old + new) for old, new in zip(nodes, self.second(*nodes), strict=True)]


class Aasist(Detector):
    """Sinc bank > residual encoder > (spectral ∥ temporal) graph attention > 2 × joint graphs > max > readout > linear.

    Symbols: B batch, C encoder_width, 23 spectral and 29 temporal nodes for 64,600 samples.

    Paper: Jung et al., "AASIST: Audio anti-spoofing using integrated spectro-temporal graph attention networks",
    ICASSP 2022. Differs from the published code in names, and in computing the attention logits of the three
    kinds of node pairs in one product; the answers are the same. The score is the bona fide logit, as published.
    """

    def __init__(self, config: AasistConfig) -> None:
        super().__init__()
        wide, narrow = config.encoder_width, config.graph_width
        self.sinc_bank = SincBank()
        self.stem_norm = nn.BatchNorm2d(1)
        self.encoder = residual_encoder(32, wide)
        self.spectral_position = nn.Parameter(torch.randn(1, _NUM_SPECTRAL_NODES, wide))
        self.spectral_attention = GraphAttention(wide, wide, temperature=2.0)
        self.temporal_attention = GraphAttention(wide, wide, temperature=2.0)
        self.spectral_pool = GraphPooling(wide, config.keep_spectral)
        self.temporal_pool = GraphPooling(wide, config.keep_temporal)
        self.branches = nn.ModuleList([Branch(config), Branch(config)])
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(5 * narrow, 2)

    def forward(self, waveforms: Tensor) -> CountermeasureOutput:
        """Score a (batch, samples) tensor."""
        temporal, spectral = self._graphs(self._encode(waveforms))
        first, second = (branch(temporal, spectral) for branch in self.branches)
        temporal, spectral, master = (a.maximum(b) for a, b in zip(first, second, strict=True))
        readout = [
            temporal.abs().amax(1),
            temporal.mean(1),
            spectral.abs().amax(1),
            spectral.mean(1),
            master.squeeze(1),
        ]
        embedding = self.dropout(torch.cat(readout, dim=1))
        logits = self.head(embedding)
        return CountermeasureOutput(score=logits[:, 1], logits=logits, embedding=embedding)

    def _encode(self, waveforms: Tensor) -> Tensor:
        """(B, samples) to (B, C, 23, frames)."""
        # Channels last makes the convolutions about twice as fast on a CPU and changes no answer.
        return self.encoder(self._stem(waveforms).to(memory_format=torch.channels_last))

    def _stem(self, waveforms: Tensor) -> Tensor:
        """(B, samples) to (B, 1, 23, frames)."""
        if serves_stem(self.sinc_bank, self.stem_norm, waveforms):
            return run_stem(self.sinc_bank, self.stem_norm, waveforms)
        maps = largest_of_nine(self.sinc_bank(waveforms).unsqueeze(1).abs())
        return nn.functional.selu(self.stem_norm(maps), inplace=True)

    def _graphs(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The strongest response over frequency and over time, as nodes: (B, n, C) each."""
        magnitude = maps.abs()
        spectral = magnitude.amax(dim=3).transpose(1, 2) + self.spectral_position
        temporal = magnitude.amax(dim=2).transpose(1, 2)
        return (
            self.temporal_pool(self.temporal_attention(temporal)),
            self.spectral_pool(self.spectral_attention(spectral)),
        )
