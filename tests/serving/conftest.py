"""A model with all that may lie beside it, sounds, and a service that answers."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_uploads import OFFSET, SLOPE
from starlette.testclient import TestClient

from made_detectors import config, detector, predictor_of
from moe_mamba_asv.evaluation.calibration.calibration import Calibration, write_calibration
from moe_mamba_asv.evaluation.calibration.maps import LogisticMap
from moe_mamba_asv.scoring.domain import make_profile, profile_path
from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.settings import Settings
from stand_in import clip


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``known.safetensors`` with calibration and profile, ``bare.safetensors`` with neither."""
    folder = tmp_path_factory.mktemp("models")
    predictor_of(detector(config(), seed=1), folder / "bare.safetensors")
    known = predictor_of(detector(config()), folder / "known.safetensors")
    figures = {"eer": 0.1, "cllr_before": 1.0, "cllr_after": 0.5, "min_cllr": 0.4, "failed": 0, "system": "test"}
    learned = {"corpus": "made", "partition": "dev", "bonafide": 10, "spoof": 10}
    parameters, digest = LogisticMap(slope=SLOPE, offset=OFFSET, prior=0.5), known.header["model_sha256"]
    calibration = Calibration(parameters=parameters, model_sha256=digest, **figures, **learned)
    write_calibration(calibration, folder / "known.calibration.json")
    durations = np.random.default_rng(0).uniform(0.8, 2.0, 60)
    clips = [
        clip(np.random.default_rng(seed), spoof=seed % 2 == 1, duration_s=length)
        for seed, length in enumerate(durations)
    ]
    profile = make_profile(known, clips, corpus="made", partition="dev")
    profile_path(folder / "known.safetensors").write_text(profile.model_dump_json())
    return folder


@pytest.fixture(scope="session")
def settings(models: Path) -> Settings:
    named = {name: str(models / f"{name}.safetensors") for name in ("known", "bare")}
    return Settings(models=named, decoders=1, max_upload_mb=5, max_duration_s=60, requests_per_minute=100_000)


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client
