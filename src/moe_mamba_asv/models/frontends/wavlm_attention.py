"""WavLM's self-attention, with projections that can be adapted."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from moe_mamba_asv.models.frontends.native.encoder import WHOLE, run_attention, serves


class WavlmAttention(nn.Module):
    """softmax(q kᵀ / √d + gate · bias) v, where bias depends on distance and head, and gate on the query's frame.

    Takes over the parts of transformers' ``WavLMAttention``, parameter names included, and answers the same to
    rounding. What differs: the four projections are called as modules, so that an adapter (LoRA) put in the place of
    one has its effect, where transformers would read the bare weight past it; and no mean of the weights over heads is
    made for nobody to read. PyTorch's fused kernel was a third slower here: it wants the gated bias as a whole mask.

    Args:
        original: ``WavLMAttention`` of transformers.

    Source: Chen et al., "WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing", 2022,
        section III-B.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.num_heads: int = original.num_heads
        self.num_buckets: int = original.num_buckets
        self.max_distance: int = original.max_distance
        self.dropout: float = original.dropout
        self.q_proj: nn.Module = original.q_proj
        self.k_proj: nn.Module = original.k_proj
        self.v_proj: nn.Module = original.v_proj
        self.out_proj: nn.Module = original.out_proj
        self.gru_rel_pos_const: nn.Parameter = original.gru_rel_pos_const
        self.gru_rel_pos_linear: nn.Linear = original.gru_rel_pos_linear
        if hasattr(original, "rel_attn_embed"):  # only in the first layer, whose bias serves all
            self.rel_attn_embed: nn.Embedding = original.rel_attn_embed

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: None = None,
        *,
        position_bias: Tensor,
        **_unused: object,
    ) -> tuple[Tensor, None, Tensor]:
        """Attend; the signature is that of transformers, whose layer calls this.

        Args:
            hidden_states: (batch, frames, width).
            attention_mask: none; all clips of a batch are of one length.
            position_bias: (heads, frames, frames), see `position_bias` of the first layer.

        Returns:
            (batch, frames, width), no attention weights, and the bias.
        """
        by_head = hidden_states.unflatten(-1, (self.num_heads, -1))
        gates = self.gru_rel_pos_linear(by_head).unflatten(-1, (2, 4)).sum(-1).sigmoid().transpose(1, 2)
        reset, update = gates.chunk(2, dim=-1)
        gate = reset * (update * self.gru_rel_pos_const - 1) + 2  # (batch, heads, frames, 1)
        query, key, value = (project(hidden_states) for project in (self.q_proj, self.k_proj, self.v_proj))
        if not self.training and query.shape[-1] % (WHOLE * self.num_heads) == 0 and serves(query):
            gate, bias = gate.squeeze(-1), position_bias
            attended = run_attention(query, key, value, num_heads=self.num_heads, gate=gate, bias=bias)
            return self.out_proj(attended), None, position_bias
        query, key, value = (
            tensor.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for tensor in (query, key, value)
        )
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        weights = torch.addcmul(scores, gate, position_bias).softmax(-1)
        attended = nn.functional.dropout(weights, self.dropout, self.training) @ value
        return self.out_proj(attended.transpose(1, 2).flatten(2)), None, position_bias

    def position_bias(self, num_frames: int) -> Tensor:
        """(heads, frames, frames): one number for each head and bucket of distance; only the first layer has them."""
        device = self.rel_attn_embed.weight.device
        offsets = torch.arange(1 - num_frames, num_frames, device=device)
        bias = self.rel_attn_embed(self._bucket(offsets))  # (2 frames - 1, heads)
        frames = torch.arange(num_frames, device=device)
        return bias[frames - frames[:, None] + num_frames - 1].permute(2, 0, 1).contiguous()

    def _bucket(self, offsets: Tensor) -> Tensor:
        """Buckets of relative positions: one each when near, logarithmically wider when far, half for each side."""
        num_side = self.num_buckets // 2
        num_near = num_side // 2
        distance = offsets.abs()
        # The order of operations is transformers', so that a distance on the edge of a bucket falls on the same side.
        far = torch.log(distance.clamp(min=1).float() / num_near) / math.log(self.max_distance / num_near)
        far = (num_near + (far * (num_side - num_near)).to(torch.long)).clamp(max=num_side - 1)
        return torch.where(distance < num_near, distance, far) + num_side * (offsets > 0)
