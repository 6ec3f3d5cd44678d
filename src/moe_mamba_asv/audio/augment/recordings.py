"""A folder of sounds, of which one is drawn at a time."""

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError


class Recordings(BaseModel):
    """All sound files of a folder and of the folders in it, each as likely as any other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(description="folder of sound files; it is listed once, at the first draw")

    @cached_property
    def paths(self) -> list[Path]:
        """Files in the order of their names, which no file system changes.

        Raises:
            AudioError: there is no such folder, or it holds no sound file.
        """
        found = sorted(path for path in self.folder.rglob("*") if path.suffix.lower() in AUDIO_ENDINGS)
        if not found:
            raise AudioError(f"{self.folder} holds no sound files", wanted="a folder of recordings, WAV or FLAC say")
        return found

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """One whole recording at 16 kHz, shape (samples,), not silent.

        Raises:
            AudioError: the folder holds none, or the one drawn cannot be decoded or is silent.
        """
        path = self.paths[rng.integers(len(self.paths))]
        recording = load_16k(path)
        if not recording.any():
            raise AudioError(f"{path} is silent", wanted="a recording with sound", remedy="take it out of the folder")
        return recording
