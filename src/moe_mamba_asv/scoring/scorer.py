"""What every detector that is ready to score can do, whatever runs it. Nothing here needs PyTorch."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.errors import AudioError


class Scorer(Protocol):
    """One detector, one rule for every clip: `Predictor`, in PyTorch, and `OnnxPredictor`, without.

    Attributes:
        num_samples: length of what is scored of a clip.
        header: facts about the system, for the score file.
    """

    num_samples: int

    @property
    def header(self) -> Mapping[str, str]: ...  # noqa: D102 (see the class)

    def crop(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """The stretch of a clip that is scored, see `scored_stretch`."""
        ...

    def score(self, crops: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Score clips that `crop` made: (len(crops),); higher = bona fide."""
        ...


def scored_stretch(waveform: NDArray[np.float32], num_samples: int) -> NDArray[np.float32]:
    """The first samples of a clip; a shorter one is repeated.

    Args:
        waveform: (samples,), mono, 16 kHz.
        num_samples: wanted.

    Raises:
        AudioError: the clip is empty, or digital silence, of which nothing can be said.
    """
    cropped = fit_length(waveform, num_samples)
    if not cropped.any():
        raise AudioError("digital silence where the clip is scored", wanted="a recording of speech")
    return cropped


def stretch_in_words(num_samples: int) -> str:
    """What `scored_stretch` does, for the header of a score file."""
    return f"first {num_samples} samples at 16 kHz, a shorter clip repeated"
