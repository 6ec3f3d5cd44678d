"""Graph attention, heterogeneous graph attention and graph pooling.

A graph is a (batch, nodes, width) tensor; every node sees every node.
"""

import torch
from torch import Tensor, nn


def _weight(width: int) -> nn.Parameter:
    return nn.Parameter(nn.init.xavier_normal_(torch.empty(width, 1)))


def _normalise_nodes(norm: nn.BatchNorm1d, nodes: Tensor) -> Tensor:
    """Batch norm over the nodes of all graphs, then SELU."""
    return nn.functional.selu(norm(nodes.flatten(0, 1)).view_as(nodes))


def _pair_products(nodes: Tensor) -> Tensor:
    """(batch, nodes, width) to (batch, nodes, nodes, width): how alike two nodes are, per channel."""
    return nodes.unsqueeze(2) * nodes.unsqueeze(1)


class GraphAttention(nn.Module):
    """Attention from pairwise products > weighted sum ⊕ the node itself > BN > SELU.

    Args:
        in_width: of a node.
        out_width: of a node.
        temperature: divides the attention logits; large = nearly uniform attention.
    """

    def __init__(self, in_width: int, out_width: int, temperature: float) -> None:
        super().__init__()
        self.pair = nn.Linear(in_width, out_width)
        self.weight = _weight(out_width)
        self.attended = nn.Linear(in_width, out_width)
        self.direct = nn.Linear(in_width, out_width)
        self.norm = nn.BatchNorm1d(out_width)
        self.dropout = nn.Dropout(0.2)
        self.temperature = temperature

    def forward(self, nodes: Tensor) -> Tensor:
        """(batch, nodes, in_width) to (batch, nodes, out_width)."""
        nodes = self.dropout(nodes)
        logits = (torch.tanh(self.pair(_pair_products(nodes))) @ self.weight).squeeze(-1)
        attention = torch.softmax(logits / self.temperature, dim=-1)
        return _normalise_nodes(self.norm, self.attended(attention @ nodes) + self.direct(nodes))


class HeterogeneousGraphAttention(nn.Module):
    """Two graphs joined into one, with attention weights of their own inside each and across, and a master node.

    The master node sees all nodes and is seen by none: it gathers.

    Args:
        in_width: of a node.
        out_width: of a node.
        temperature: divides the attention logits.
    """

    def __init__(self, in_width: int, out_width: int, temperature: float) -> None:
        super().__init__()
        self.project_temporal = nn.Linear(in_width, in_width)
        self.project_spectral = nn.Linear(in_width, in_width)
        self.pair = nn.Linear(in_width, out_width)
        self.pair_master = nn.Linear(in_width, out_width)
        self.weight_temporal = _weight(out_width)
        self.weight_spectral = _weight(out_width)
        self.weight_across = _weight(out_width)
        self.weight_master = _weight(out_width)
        self.attended = nn.Linear(in_width, out_width)
        self.direct = nn.Linear(in_width, out_width)
        self.attended_master = nn.Linear(in_width, out_width)
        self.direct_master = nn.Linear(in_width, out_width)
        self.norm = nn.BatchNorm1d(out_width)
        self.dropout = nn.Dropout(0.2)
        self.temperature = temperature

    def forward(self, temporal: Tensor, spectral: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Let the nodes of both graphs look at each other.

        Args:
            temporal: (batch, n, in_width).
            spectral: (batch, m, in_width).
            master: (batch, 1, in_width).

        Returns:
            The same three, out_width wide.
        """
        num_temporal = temporal.shape[1]
        nodes = self.dropout(torch.cat([self.project_temporal(temporal), self.project_spectral(spectral)], dim=1))
        attention = torch.softmax(self._logits(nodes, num_temporal) / self.temperature, dim=-1)
        new_master = self._gather(nodes, master)
        new_nodes = _normalise_nodes(self.norm, self.attended(attention @ nodes) + self.direct(nodes))
        return new_nodes[:, :num_temporal], new_nodes[:, num_temporal:], new_master

    def _logits(self, nodes: Tensor, num_temporal: int) -> Tensor:
        """(batch, nodes, nodes); the weight depends on the kinds of the two nodes."""
        features = torch.tanh(self.pair(_pair_products(nodes)))
        weights = torch.cat([self.weight_temporal, self.weight_spectral, self.weight_across], dim=1)
        within_temporal, within_spectral, across = (features @ weights).unbind(-1)
        is_temporal = torch.arange(nodes.shape[1], device=nodes.device) < num_temporal
        same_kind = is_temporal[:, None] == is_temporal[None, :]
        return torch.where(same_kind, torch.where(is_temporal, within_temporal, within_spectral), across)

    def _gather(self, nodes: Tensor, master: Tensor) -> Tensor:
        logits = torch.tanh(self.pair_master(nodes * master)) @ self.weight_master
        attention = torch.softmax(logits / self.temperature, dim=1)
        return self.attended_master(attention.transpose(1, 2) @ nodes) + self.direct_master(master)


class GraphPooling(nn.Module):
    """Keeps the best-scored share of the nodes, each multiplied by its score."""

    def __init__(self, width: int, keep: float) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(0.3)
        self.keep = keep

    def forward(self, nodes: Tensor) -> Tensor:
        """(batch, nodes, width) to (batch, max(1, ⌊keep · nodes⌋), width)."""
        scores = torch.sigmoid(self.score(self.dropout(nodes)))
        num_kept = max(int(nodes.shape[1] * self.keep), 1)
        kept = scores.topk(num_kept, dim=1).indices.expand(-1, -1, nodes.shape[2])
        return (nodes * scores).gather(1, kept)
