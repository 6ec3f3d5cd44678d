"""Models and sound for live streams."""

from pathlib import Path

import numpy as np

from made_detectors import config, detector, predictor_of
from made_streams import causal_detector
from moe_mamba_asv.serving.settings import Settings


def live_settings(folder: Path) -> Settings:
    """A model that streams, one that does not, and short patience."""
    models = {"causal": causal_detector(), "deaf": detector(config())}
    for name, model in models.items():
        predictor_of(model, folder / f"{name}.safetensors")
    places = {name: str(folder / f"{name}.safetensors") for name in models}
    short = {"max_streams": 2, "max_stream_s": 6.0, "stream_idle_s": 0.5, "stream_message_kb": 100}
    return Settings(models=places, decoders=1, port=0, requests_per_minute=100_000, **short)


def in_chunks(samples: np.ndarray, seed: int) -> list[np.ndarray]:
    """Cut somewhere, 25 times."""
    cuts = np.random.default_rng(seed).integers(0, len(samples), 25)
    return np.split(samples, np.sort(cuts))
