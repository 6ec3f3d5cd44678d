"""A detector that is ready to score: weights in place, eval mode, one rule for every clip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.models.checkpoint import Checkpoint, file_sha256, load_checkpoint
from moe_mamba_asv.scores import DIRECTION


class Predictor:
    """Scores clips with one detector.

    Args:
        path: of the model file.
        device: of PyTorch, e.g. ``cpu`` or ``cuda``.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        self.checkpoint: Checkpoint = load_checkpoint(path)
        self.device = torch.device(device)
        self.model = self.checkpoint.build().to(self.device)
        self.num_samples = self.checkpoint.num_samples
        self.header = {
            "model": self.checkpoint.recipe,
            "model_sha256": file_sha256(path),
            "crop": f"first {self.num_samples} samples at 16 kHz, a shorter clip repeated",
            "direction": DIRECTION,
        }

    def crop(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The stretch of a clip that is scored.

        Raises:
            AudioError: it is digital silence, of which nothing can be said.
        """
        cropped = fit_length(waveform, self.num_samples)
        if not cropped.any():
            raise AudioError("digital silence where the clip is scored", wanted="a recording of speech")
        return cropped

    @torch.inference_mode()
    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Score clips that `crop` made.

        Returns:
            (len(crops),); higher = bona fide. The answer for a clip depends on its neighbours in the batch only
            by float32 rounding.
        """
        batch = torch.from_numpy(np.stack(crops)).to(self.device)
        return self.model(batch).score.float().cpu().numpy()
