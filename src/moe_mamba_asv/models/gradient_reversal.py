"""A layer that turns learning round: what lies before it learns to hinder what lies behind it.

Source: Ganin and Lempitsky, "Unsupervised domain adaptation by backpropagation", ICML 2015.
"""

from torch import Tensor


def reverse_gradient(tensor: Tensor) -> Tensor:
    """The same values; their gradient is multiplied by -1 on its way back."""
    # 2x - x is x to the last bit, in any floating-point type; unlike a Function of our own, compilers and exporters
    # need not be told about it.
    return 2 * tensor.detach() - tensor
