"""A small causal detector whose scores move with what it hears, and sound for it."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from made_detectors import config
from moe_mamba_asv.models.countermeasure import Countermeasure

_SINC = {"kind": "sincnet", "causal": True, "num_filters": 7, "num_taps": 33, "channels": [3, 4, 4, 4]}
#: Samples from one frame to the next: three, and threefold in each of four blocks.
HOP = 243


def causal_detector(pooling: str = "attentive", **parts: Any) -> Countermeasure:
    """Untrained, with batch norms that have heard something, and a head that tells frames apart."""
    causal = {"frontends": [_SINC], "backend": {"kind": "mamba", "num_blocks": 2}, "pooling": {"kind": pooling}}
    torch.manual_seed(0)
    model = Countermeasure(config(**{**causal, **parts}))
    with torch.no_grad():
        for loudness in (0.02, 0.1, 0.5):
            model(loudness * torch.randn(4, 8_000))
        for parameter in [*model.pooling.parameters(), *model.head.parameters()]:
            parameter *= 5
    return model.eval()


def changing_noise(duration_s: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise whose level jumps every fifth of a second; 16 kHz."""
    generator = np.random.default_rng(seed)
    levels = generator.uniform(0.01, 0.5, int(duration_s * 5) + 1).repeat(3_200)[: int(duration_s * 16_000)]
    return (levels * generator.standard_normal(len(levels))).astype(np.float32)
