"""A head in closed form: it counts what it is shown, and no gradient has to find its weights."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from moe_mamba_asv.errors import ConfigError

#: Logarithm of the share of a class that was never seen: nothing beside any other, and still a number.
_NEVER = -1e4
#: Of a deviation, and of a mean variance: what never changes divides nothing by zero.
_FLOOR = 1e-6


class DiscriminantHeadConfig(BaseModel):
    """Size of a `DiscriminantHead`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["discriminant"] = "discriminant"
    num_attacks: int = Field(
        default=6, ge=1, description="attacks of training, each a class; those without a name are one class more"
    )
    shrinkage: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="how far the covariance is drawn towards equal variances without correlation",
    )


class DiscriminantHead(nn.Module):
    """Linear discriminant: bona fide speech, and each attack, have a mean of their own and one covariance in common.

    The score is the log-likelihood ratio of bona fide speech against attacks that are equally likely, scaled and moved
    by the two numbers that training finds by gradient. Means and covariance follow from three sums over all embeddings
    that were shown (`observe`): a clip needs to be shown once, and the order does not matter.

    Papers: Hayes and Kanan, "Lifelong machine learning with deep streaming linear discriminant analysis", CVPR
    workshops 2020; it counts in this way. Differs from it: exact sums in place of running means, and a class for each
    attack where the question is one of two.

    Args:
        width: of the embedding.
        config: classes and shrinkage.
    """

    counts: Tensor
    sums: Tensor
    products: Tensor
    centre: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, width: int, config: DiscriminantHeadConfig) -> None:
        super().__init__()
        self.config = config
        num_classes = 2 + config.num_attacks
        # float64: a covariance is a small difference of large sums.
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.float64))
        self.register_buffer("sums", torch.zeros(num_classes, width, dtype=torch.float64))
        self.register_buffer("products", torch.zeros(width, width, dtype=torch.float64))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("weight", torch.zeros(num_classes, width))
        self.register_buffer("bias", torch.tensor([0.0, 0.0, *[_NEVER] * config.num_attacks]))
        # A ratio of likelihoods in hundreds of dimensions is far too sure. Vectors of one, as FSDP cuts up no scalars.
        self.log_scale = nn.Parameter(torch.tensor([-2.0]))
        self.offset = nn.Parameter(torch.zeros(1))

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Score (batch, width) embeddings: (batch,) scores, higher = bona fide, and (batch, 2) logits."""
        # From the mean of all clips: a bias that held it would be large, and its difference to a large product inexact.
        shown = embedding.to(self.centre.dtype) - self.centre
        with torch.autocast(shown.device.type, enabled=False):
            likelihoods = nn.functional.linear(shown, self.weight, self.bias)
        ratio = likelihoods[:, 0] - likelihoods[:, 1:].logsumexp(1)
        score = self.log_scale.exp() * ratio + self.offset
        return score, torch.stack([-score / 2, score / 2], dim=1)

    @torch.no_grad()
    def observe(self, embedding: Tensor, attacks: Tensor) -> None:
        """Learn from a batch; on several devices all call this at once, and all learn from all.

        Args:
            embedding: (batch, width).
            attacks: (batch,), 0 for bona fide, k for the k-th attack, -1 for one without a name.

        Raises:
            ConfigError: an attack beyond the number of classes.
        """
        if int(attacks.max()) > self.config.num_attacks:
            raise ConfigError(
                f"attack {int(attacks.max())} of training for a head with classes for {self.config.num_attacks}",
                remedy=f"--set model.head.num_attacks={int(attacks.max())}, or more",
            )
        shown = embedding.to(torch.float64)
        classes = torch.where(attacks < 0, len(self.counts) - 1, attacks)
        members = nn.functional.one_hot(classes, len(self.counts)).to(torch.float64)
        news = [members.sum(0), members.T @ shown, shown.T @ shown]
        for held, new in zip((self.counts, self.sums, self.products), news, strict=True):
            if torch.distributed.is_available() and torch.distributed.is_initialized():
                torch.distributed.all_reduce(new)
            held += new
        self._solve()

    def _solve(self) -> None:
        """Weights and biases from the sums."""
        seen = self.counts > 0
        if not seen[0] or not seen[1:].any():
            return
        total = self.counts.sum()
        means = self.sums / self.counts.clamp_min(1).unsqueeze(1)
        mean = self.sums.sum(0) / total
        deviation = (self.products.diagonal() / total - mean.square()).clamp_min(_FLOOR**2).sqrt()
        # Numbers of different size would be shrunk to different degrees: all have deviation 1 from here on.
        means = (means - mean) / deviation * seen.unsqueeze(1)
        covariance = (self.products / total - torch.outer(mean, mean)) / torch.outer(deviation, deviation)
        within = covariance - (means.T * (self.counts / total)) @ means
        variance = within.diagonal().mean().clamp_min(_FLOOR)
        within = (1 - self.config.shrinkage) * within
        within.diagonal().add_(self.config.shrinkage * variance)
        directions = torch.cholesky_solve(means.T, torch.linalg.cholesky(within)).T
        shares = torch.where(seen, -seen[1:].sum().log(), _NEVER)
        shares[0] = 0.0
        self.centre.copy_(mean)
        self.weight.copy_(directions / deviation)
        self.bias.copy_(shares - (directions * means).sum(1) / 2)
