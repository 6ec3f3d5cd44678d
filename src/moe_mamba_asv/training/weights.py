"""Arithmetic on state dicts: swap, interpolate, move."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from moe_mamba_asv.errors import CheckpointError, ConfigError
from moe_mamba_asv.models.checkpoint import differences
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.pieces import own_part


def trained_entries(model: Detector) -> dict[str, Tensor]:
    """Entries of the state dict that training can change; views, without graph."""
    fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: tensor for name, tensor in model.state_dict().items() if name not in fixed}


def copied_to_main_memory(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies."""
    return {name: tensor.to("cpu", copy=True) for name, tensor in entries.items()}


@torch.no_grad()
def move_towards(mean: Mapping[str, Tensor], entries: Mapping[str, Tensor], share: float) -> None:
    """Let a mean come nearer to these entries by a share of the way, in place; both may be cut up, in the same way."""
    for name, tensor in entries.items():
        if tensor.is_floating_point():
            held = own_part(mean[name])
            held.lerp_(own_part(tensor).to(held.device), share)
        else:
            mean[name].copy_(tensor)


@contextmanager
def swapped(model: Detector, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Put weights into a model for a while; afterwards it has its own again, bit by bit, whatever happened.

    Args:
        model: any.
        weights: entries of its state dict, not necessarily all, on any device.

    Raises:
        CheckpointError: the model has no such entry, or one of another shape.
    """
    held = model.state_dict()
    _require_same({name: held[name] for name in weights if name in held}, weights)
    own = {name: held[name].clone() for name in weights}
    try:
        _copy(held, weights)
        yield
    finally:
        _copy(held, own)


def interpolate(a: Mapping[str, Tensor], b: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """(1 - share) · a + share · b, entry by entry; the very values of a or b at either end.

    Whole numbers are those of the nearer end.

    Args:
        a: a state dict.
        b: another, with the same names and shapes.
        share: from 0 to 1.

    Raises:
        ConfigError: the share is outside.
        CheckpointError: names or shapes differ, the message lists them.

    Source: Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022 (WiSE-FT).
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"a share of {share} between two models", wanted="0 to 1")
    _require_same(a, b)
    between: dict[str, Tensor] = {}
    for name, tensor in a.items():
        if tensor.is_floating_point():
            # What is the same in both stays so to the bit, for a digest of what is frozen: lerp makes +0 of -0.
            between[name] = torch.where(tensor == b[name], tensor, torch.lerp(tensor, b[name], share))
        else:
            between[name] = (tensor if share < 0.5 else b[name]).clone()
    return between


@torch.no_grad()
def _copy(held: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    for name, tensor in weights.items():
        held[name].copy_(tensor)


def _require_same(wanted: Mapping[str, Tensor], got: Mapping[str, Tensor]) -> None:
    different = differences(wanted, got)
    if different:
        raise CheckpointError(
            f"weights that do not match, {different}", remedy="two models of one configuration, or of one run"
        )
