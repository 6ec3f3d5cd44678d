"""Which corpus a clip comes from: small for the domain head, and, by its gradient reversal, large for the embedding.

Source: Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy


def domain(logits: Tensor, domains: Tensor) -> Tensor:
    """Mean cross-entropy.

    Args:
        logits: (batch, domains) of a domain head, which reverses the gradient.
        domains: (batch,), number of the corpus.
    """
    return cross_entropy(logits, domains)
