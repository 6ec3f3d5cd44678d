"""Small detectors with untrained weights, and samples of made sounds to ask them about."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from moe_mamba_asv.diagnostics.sample import Sample
from moe_mamba_asv.models.build import ModelConfig
from moe_mamba_asv.models.checkpoint import Checkpoint, save_checkpoint
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.scoring.predictor import Predictor
from stand_in import clip

_SINC = {"kind": "sincnet", "num_filters": 8, "channels": [4, 4]}
_BIMAMBA = {"kind": "bimamba", "num_blocks": 1}
_MOE = {"kind": "moe-bimamba", "num_blocks": 2}
NUM_SAMPLES = 9_600


def config(**parts: Any) -> CountermeasureConfig:
    """One SincNet stream and a BiMamba, unless `parts` says otherwise."""
    plain = {
        "kind": "countermeasure",
        "frontends": [_SINC],
        "width": 16,
        "backend": _BIMAMBA,
        "pooling": {"kind": "attentive"},
        "head": {"kind": "linear"},
    }
    built = TypeAdapter(ModelConfig).validate_python({**plain, **parts})
    assert isinstance(built, CountermeasureConfig)
    return built


def two_streams(fusion: str = "squeeze-excitation") -> CountermeasureConfig:
    """Two SincNet streams of different banks."""
    return config(frontends=[_SINC, {**_SINC, "num_filters": 6}], fusion={"kind": fusion})


def with_experts() -> CountermeasureConfig:
    """Two blocks, four experts each."""
    return config(backend=_MOE)


def detector(parts: CountermeasureConfig, seed: int = 0) -> Countermeasure:
    """Fresh weights."""
    torch.manual_seed(seed)
    return Countermeasure(parts).eval()


def predictor_of(model: Countermeasure, path: Path) -> Predictor:
    """Save it and load it, as a user would."""
    selection = {"partition": "dev", "metric": "eer", "value": 0.5, "step": 1, "corpus": "folder"}
    save_checkpoint(Checkpoint.of(model, path.stem, model.config, selection, NUM_SAMPLES, full=True), path)
    return Predictor(path)


def made_sample(clips: int = 16, attacks: tuple[str, ...] = ("A01", "A02")) -> Sample:
    """Half bona fide tones, half clipped tones, the attacks in turn."""
    spoofed = [number % 2 == 1 for number in range(clips)]
    sounds = [clip(np.random.default_rng(number), spoof=spoof, duration_s=0.6) for number, spoof in enumerate(spoofed)]
    return Sample(
        corpus="folder",
        partition="dev",
        utterances=tuple(f"clip{number}" for number in range(clips)),
        waveforms=tuple(sound.astype(np.float32) for sound in sounds),
        is_bonafide=~np.array(spoofed),
        attacks=tuple(attacks[number // 2 % len(attacks)] if spoof else "" for number, spoof in enumerate(spoofed)),
    )
