"""A model that is being served: its weights, its calibration, what it knows the kind of, and its thread."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError, CheckpointError
from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.scoring.answer import verdict_of
from moe_mamba_asv.scoring.domain import profile_beside
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.scoring.stream import Stream
from moe_mamba_asv.serving.answers import Calibrated, Heard, ModelAnswer
from moe_mamba_asv.serving.batching import Batcher
from moe_mamba_asv.serving.cores import Cores
from moe_mamba_asv.serving.settings import Settings

Samples = NDArray[np.float32]


class Said(NamedTuple):
    """What the model makes of a crop: its score, and the embedding (width,) that it rests on."""

    score: float
    embedding: NDArray[np.float32]


class ServedModel:
    """One model.

    Args:
        name: by which it is asked for.
        place: file, run folder or ``hf://owner/name``.
        settings: of the service.
        cores: that all models of the service share.

    Attributes:
        name: as given.
        num_samples: what it hears at once, at 16 kHz.
        batcher: where crops go; each is answered by what the model says of it.

    Raises:
        CheckpointError: there is no such model, it lies outside the allowed folders, or its profile is of another.
        ScoreError: its calibration is of another model.
    """

    def __init__(self, name: str, place: str, settings: Settings, cores: Cores) -> None:
        path = find_model(place)
        _require_allowed(path, settings.model_folders)
        self.name, self._cores = name, cores
        self._predictor = Predictor(path, device=settings.device)
        self.num_samples = self._predictor.num_samples
        self._sha256 = self._predictor.header["model_sha256"]
        self._calibration = calibration_beside(path)
        self._profile = profile_beside(path, self._sha256)
        self.batcher: Batcher[Samples, Said] = Batcher(
            self._say,
            size=settings.batch_size,
            wait_s=settings.batch_wait_ms / 1000,
            threads=settings.batches_at_once,
        )

    def crop(self, waveform: Samples) -> Samples:
        """What the model hears of a recording.

        Raises:
            AudioError: that part is digital silence.
        """
        return self._predictor.crop(waveform)

    def score(self, crops: Sequence[Samples]) -> NDArray[np.float32]:
        """Scores (len(crops),) of what `crop` made; the crops wait in line with those of other requests."""
        said = [self.batcher.submit(crop) for crop in crops]
        return np.array([one.result().score for one in said], np.float32)

    def open_stream(self, half_life_s: float | None) -> Stream:
        """A stream of its own, at time 0.

        Raises:
            ConfigError: the model looks ahead.
        """
        return Stream(self._predictor.model, half_life_s=half_life_s)

    def answer(self, waveform: Samples, said: Said, prior: float) -> Heard:
        """All that can be told of a recording, given what the model said of its crop.

        Args:
            waveform: whole, mono, 16 kHz.
            said: of its crop.
            prior: share of bona fide audio.

        Raises:
            AudioError: the model did not answer a number.
        """
        if not np.isfinite(said.score):
            raise AudioError(f"the model answered {said.score}", wanted="a number", remedy="another recording or model")
        unlike = None if self._profile is None else tuple(self._profile.unlike(waveform, said.embedding))
        return Heard(
            score=said.score,
            duration_s=len(waveform) / SAMPLE_RATE_HZ,
            heard_s=min(len(waveform), self.num_samples) / SAMPLE_RATE_HZ,
            calibrated=self._calibrated(said.score, prior),
            unlike=unlike,
        )

    def describe(self) -> ModelAnswer:
        """What a client may know of it; not where it lies."""
        checkpoint, calibration = self._predictor.checkpoint, self._calibration
        return ModelAnswer(
            name=self.name,
            recipe=checkpoint.recipe,
            sha256=self._sha256,
            heard_samples=self.num_samples,
            selection=dict(checkpoint.selection),
            calibrated_on=None if calibration is None else f"{calibration.corpus} {calibration.partition}",
            has_profile=self._profile is not None,
        )

    def _calibrated(self, score: float, prior: float) -> Calibrated | None:
        if self._calibration is None:
            return None
        llr, probability = float(self._calibration.llr(score)), float(self._calibration.probability(score, prior))
        return Calibrated(llr=llr, probability=probability, prior=prior, verdict=verdict_of(probability))

    @torch.inference_mode()
    def _say(self, crops: Sequence[Samples]) -> list[Said]:
        batch = torch.from_numpy(np.stack(crops)).to(self._predictor.device)
        with self._cores.share():
            output = self._predictor.model(batch)
        scores, embeddings = output.score.float().cpu().tolist(), output.embedding.float().cpu().numpy()
        return [Said(score, embedding) for score, embedding in zip(scores, embeddings, strict=True)]


def _require_allowed(path: Path, folders: Sequence[Path]) -> None:
    real = path.resolve()
    if folders and not any(real.is_relative_to(folder.resolve()) for folder in folders):
        raise CheckpointError(
            f"{path} lies outside the folders that models may come from",
            wanted=f"a model in {', '.join(map(str, folders))}",
            remedy="move it there, or add its folder to model_folders",
        )
