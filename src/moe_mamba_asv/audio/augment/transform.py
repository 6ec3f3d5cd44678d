"""What every transform has: a share of clips that it changes, and one way to be asked."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field


class Transform(BaseModel):
    """A change of a waveform, and how often it happens: at once the configuration and the thing.

    What is drawn comes from the generator that is passed in, and from nowhere else; what cannot be done raises.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    p: float = Field(default=1.0, ge=0, le=1, description="share of the clips that are changed")

    def __call__(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Change a clip, or leave it as it is.

        Args:
            waveform: mono, shape (samples,), 16 kHz, full scale 1.0, at least one sample; it is not written to.
            rng: draws whether, and then how.

        Returns:
            As many samples, but for transforms that say otherwise.
        """
        return self.change(waveform, rng) if rng.random() < self.p else waveform

    @abstractmethod
    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Change a clip, always; see `__call__`."""
