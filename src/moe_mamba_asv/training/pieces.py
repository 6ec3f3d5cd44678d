"""Tensors of which each device holds a piece, where a model is cut up among devices (FSDP); and whole again.

Such a tensor is a `DTensor` of PyTorch, which knows of the whole. Every function here takes plain tensors as well, and
leaves them as they are.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def own_part(tensor: Tensor) -> Tensor:
    """The part of a tensor that this device holds, without a copy; all of it where it is not cut up."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def clip_by_norm(parameters: Sequence[nn.Parameter], limit: float) -> Tensor:
    """Scale gradients so that the norm of all of them, on all devices, is at most a limit; answers the norm, ()."""
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def whole(tree: Any) -> Any:
    """Nested dicts and lists with each cut-up tensor in one piece, in main memory; to be called on all devices at once.

    Only the first device gets the pieces, the others None in their places. All else is handed on as it is.
    """
    if isinstance(tree, dict):
        return {key: whole(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [whole(value) for value in tree]
    if not isinstance(tree, DTensor):
        return tree
    full = tree.full_tensor()
    return full.cpu() if torch.distributed.get_rank() == 0 else None


def cut_like(full: Tensor, like: Tensor) -> Tensor:
    """This device's part of a tensor, cut as another of the same shape is; the tensor itself where that is whole."""
    if not isinstance(like, DTensor):
        return full
    # Every process has read the same file: nothing needs to be sent.
    return distribute_tensor(full.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Let an optimiser go on from a state in one piece, whether its own parameters are cut up or not."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    cut = {
        index: {name: value if name == "step" else cut_like(value, parameters[index]) for name, value in held.items()}
        for index, held in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": cut})
