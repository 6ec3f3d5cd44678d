"""L2-SP: fine-tuning that is held back by the distance to where it started.

Source: Li, Grandvalet and Davoine, "Explicit inductive bias for transfer learning with convolutional networks",
ICML 2018.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from moe_mamba_asv.errors import TrainingError


def l2_sp(parameters: Iterable[Tensor], start: Iterable[Tensor]) -> Tensor:
    """Half the squared distance between two sets of weights, so that its gradient is their difference.

    Args:
        parameters: what is trained.
        start: the same before training, in the same order and without a graph.

    Returns:
        (); 0 for no parameters at all.

    Raises:
        TrainingError: the two do not match in number or shape.
    """
    parameters, start = list(parameters), list(start)
    if [parameter.shape for parameter in parameters] != [origin.shape for origin in start]:
        raise TrainingError(
            f"{len(start)} starting weights for {len(parameters)} parameters, or of other shapes",
            wanted="the weights that these very parameters started from",
        )
    squares = ((parameter - origin).square().sum() for parameter, origin in zip(parameters, start, strict=True))
    return sum(squares, torch.zeros(())) / 2
