"""A detector as the Speech Anti-Spoofing Arena asks for it: ``load``, ``score``, ``score_batch``, ``unload``.

The arena's runner (package ``speech-spoof-bench``) hands over samples with their rate and wants a number that is higher
for bona fide speech. Give it `ArenaDetector` and the name of a model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from moe_mamba_asv.audio.resample import resample
from moe_mamba_asv.errors import AudioError, CheckpointError
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.scoring.allocator import keep_freed_blocks
from moe_mamba_asv.scoring.predictor import Predictor


class ArenaDetector:
    """One of our models, for somebody else's runner.

    Args:
        model: file, run folder, or ``hf://owner/name``.
        device: of PyTorch.
        batch_size: clips a forward pass.
    """

    def __init__(self, model: str, *, device: str = "cpu", batch_size: int = 8) -> None:
        self.model, self.device, self.batch_size = model, device, batch_size
        self._predictor: Predictor | None = None

    def load(self) -> None:
        """Read the model; once is enough.

        Raises:
            CheckpointError: no such model.
        """
        if self._predictor is None:
            keep_freed_blocks()
            self._predictor = Predictor(find_model(self.model), device=self.device)

    def unload(self) -> None:
        """Forget the model, and its memory."""
        self._predictor = None

    def score(self, audio: ArrayLike, sr: int) -> float:
        """Score one clip; see `score_batch`."""
        return self.score_batch([audio], [sr])[0]

    def score_batch(self, audios: Sequence[ArrayLike], srs: Sequence[int]) -> list[float]:
        """Score clips.

        Args:
            audios: of each clip the samples, full scale 1.0: (samples,), or (channels, samples) or (samples, channels),
                whose channels are averaged.
            srs: sampling rates in Hz.

        Returns:
            A score for each; higher = bona fide.

        Raises:
            CheckpointError: `load` was not called.
            AudioError: a clip is empty, silent, or not finite.
        """
        if self._predictor is None:
            raise CheckpointError("no model in memory", remedy="load() first")
        crops = [self._predictor.crop(_mono_16k(audio, sr)) for audio, sr in zip(audios, srs, strict=True)]
        scores: list[float] = []
        for start in range(0, len(crops), self.batch_size):
            scores += self._predictor.score(crops[start : start + self.batch_size]).tolist()
        return scores


def _mono_16k(audio: ArrayLike, rate_hz: int) -> NDArray[np.float32]:
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim == 2:
        # Sound has more samples than channels.
        samples = samples.mean(axis=int(np.argmin(samples.shape)))
    if samples.ndim != 1 or samples.size == 0 or not np.isfinite(samples).all():
        raise AudioError(f"audio of shape {np.shape(audio)}", wanted="finite samples of one clip, full scale 1.0")
    return resample(samples, rate_hz)
