"""A detector that is ready to score: weights in place, eval mode, one rule for every clip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from moe_mamba_asv.models.checkpoint import Checkpoint, file_sha256, load_checkpoint
from moe_mamba_asv.scores import DIRECTION
from moe_mamba_asv.scoring.scorer import scored_stretch, stretch_in_words


class Predictor:
    """Scores clips with one detector.

    Args:
        path: of the model file.
        device: of PyTorch, e.g. ``cpu`` or ``cuda``.

    Attributes:
        selection: how the weights were chosen.
    """

    def __init__(self, path: Path, *, device: str = "cpu") -> None:
        self.checkpoint: Checkpoint = load_checkpoint(path)
        self.selection = self.checkpoint.selection
        self.device = torch.device(device)
        self.model = self.checkpoint.build().to(self.device)
        self.num_samples = self.checkpoint.num_samples
        self.header = {
            "model": self.checkpoint.recipe,
            "model_sha256": file_sha256(path),
            "crop": stretch_in_words(self.num_samples),
            "direction": DIRECTION,
        }

    def crop(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The stretch of a clip that is scored; see `scored_stretch`, also for the error."""
        return scored_stretch(waveform, self.num_samples)

    @torch.inference_mode()
    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Score clips that `crop` made.

        Returns:
            (len(crops),); higher = bona fide. The answer for a clip depends on its neighbours in the batch only
            by float32 rounding.
        """
        batch = torch.from_numpy(np.stack(crops)).to(self.device)
        return self.model(batch).score.float().cpu().numpy()
