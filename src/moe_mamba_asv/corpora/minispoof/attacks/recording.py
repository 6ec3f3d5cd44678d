"""What an attack is made of: a recording, what is said in it, and other recordings of its speaker."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError


@dataclass(frozen=True)
class Recording:
    """The real speech that a spoof stands in for.

    Attributes:
        waveform: shape (samples,), 16 kHz, at its final level.
        text: what is said; empty where nobody wrote it down.
        others: further recordings of the same speaker, which may be none.
    """

    waveform: NDArray[np.float64]
    text: str = ""
    others: tuple[Path, ...] = ()

    def other_waveforms(self) -> list[NDArray[np.float64]]:
        """The further recordings, 16 kHz; one that cannot be decoded is left out here: the build lists it itself."""
        waveforms = []
        for path in self.others:
            try:
                waveforms.append(np.asarray(load_16k(path), dtype=np.float64))
            except AudioError:
                continue
        return waveforms
