"""How large a model is, without its weights: parameters, what of them is trained, frame rate, multiply-adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from moe_mamba_asv.audio.crop import NUM_SAMPLES
from moe_mamba_asv.models.build import ModelConfig, build_model
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.frontends.published import PUBLISHED
from moe_mamba_asv.models.frontends.ssl_source import read_architecture


@dataclass(frozen=True)
class ModelSize:
    """Of a model on one clip of 64,600 samples.

    Attributes:
        parameters: all of them.
        trainable: those that training changes.
        frame_rate_hz: of the frames that the back-end sees; None where a model has no front-end that says so.
        multiply_adds: of matrix products and convolutions; scans, norms and activations are not counted.
    """

    parameters: int
    trainable: int
    frame_rate_hz: float | None
    multiply_adds: int


def measure_size(config: ModelConfig) -> ModelSize:
    """Build a model, all of its weights zero, and let a silent clip pass through it.

    A published model that the recipes name is not fetched; of any other, the description is read from its source.
    """
    with torch.device("meta"):
        model = build_model(config, _architectures(config)).eval()
    trainable = _count(model, trainable=True)
    model = model.requires_grad_(False)._apply(lambda tensor: torch.zeros_like(tensor, device="cpu"))
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(torch.zeros(1, NUM_SAMPLES))
    rates = [stream.frame_rate_hz for stream in model.streams()] if isinstance(model, Countermeasure) else []
    return ModelSize(
        parameters=_count(model),
        trainable=trainable,
        frame_rate_hz=max(rates, default=None),
        multiply_adds=counter.get_total_flops() // 2,
    )


def _architectures(config: ModelConfig) -> list[Mapping[str, Any] | None] | None:
    if not isinstance(config, CountermeasureConfig):
        return None
    found: list[Mapping[str, Any] | None] = []
    for frontend in config.frontends:
        inner = frontend.ssl if frontend.kind == "cascade" else frontend
        found.append(None if inner.kind != "ssl" else PUBLISHED.get(inner.source) or read_architecture(inner.source))
    return found


def _count(model: nn.Module, *, trainable: bool = False) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad or not trainable)
