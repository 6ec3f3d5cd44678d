"""A folder of speech as an endless supply of crops."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError, TrainingError
from moe_mamba_asv.scores.table import name_some
from moe_mamba_asv.training.data.decks import Deck
from moe_mamba_asv.training.pretrain.draws import Purpose, generator

#: More tell no more, and take time every few steps.
MAX_HELD_OUT = 64
#: Files drawn in place of one that cannot be read, before the folder is given up.
_MAX_REPLACEMENTS = 50


class Crops(NamedTuple):
    """What a step hears.

    Attributes:
        waveforms: (batch, samples), 16 kHz.
        files: their names, below the folder.
    """

    waveforms: NDArray[np.float32]
    files: tuple[str, ...]


class Speech:
    """The audio files of a folder and of all folders in it; some are held out.

    A step hears its part of a permutation of all files, then of another. A file that cannot be read is noted, and
    another one, drawn at random, is heard in its place; which one depends on nothing but the seed and the step.

    Args:
        folder: of audio files.
        num_samples: of a crop; a shorter file is repeated.
        seed: of the run.
        held_out_share: of the files.

    Attributes:
        training: names of files below the folder.
        held_out: the same, of files that are never trained on.
        unreadable: reason by name, of files that could not be read so far.

    Raises:
        TrainingError: fewer than two audio files.
    """

    def __init__(self, folder: Path, num_samples: int, *, seed: int, held_out_share: float) -> None:
        self.folder, self.num_samples, self.seed = folder, num_samples, seed
        found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_ENDINGS and path.is_file())
        names = sorted(path.relative_to(folder).as_posix() for path in found)
        if len(names) < 2:
            raise TrainingError(
                f"{len(names)} audio files in {folder}",
                wanted="two at the least, one of them held out",
                remedy=f"a folder with files that end in {', '.join(sorted(AUDIO_ENDINGS))}",
            )
        self.sha256 = hashlib.sha256("\n".join(names).encode()).hexdigest()
        order = generator(Purpose.HELD_OUT, seed).permutation(len(names))
        num_held_out = min(MAX_HELD_OUT, max(1, round(held_out_share * len(names))))
        self.held_out = [names[row] for row in sorted(order[:num_held_out])]
        self.training = [names[row] for row in sorted(order[num_held_out:])]
        self.unreadable: dict[str, str] = {}
        self._deck = Deck(np.arange(len(self.training)), seed, 0, Purpose.ORDER)

    def step(self, number: int, batch_size: int) -> Crops:
        """The crops of a step: a function of the seed, the number of the step and the batch size.

        Raises:
            TrainingError: so many files in a row cannot be read that there may be none that can.
        """
        (rows,) = self._deck.deal(number * batch_size, (number + 1) * batch_size)
        crops = [self._readable(number, place, int(row)) for place, row in enumerate(rows)]
        return Crops(np.stack([crop for crop, _ in crops]), tuple(file for _, file in crops))

    def sample(self) -> Iterator[NDArray[np.float32]]:
        """A crop of each training file that can be read, (samples,), in random order."""
        for row in generator(Purpose.CLUSTER, self.seed, 0).permutation(len(self.training)):
            crop = self._crop(self.training[row], generator(Purpose.CLUSTER, self.seed, 1 + int(row)))
            if crop is not None:
                yield crop

    def held_out_crops(self) -> Crops:
        """A crop of each held-out file that can be read, always the same.

        Raises:
            TrainingError: none can be.
        """
        crops = {
            file: crop
            for row, file in enumerate(self.held_out)
            if (crop := self._crop(file, generator(Purpose.HELD_OUT_CROP, self.seed, row))) is not None
        }
        if not crops:
            raise self._given_up(f"none of {len(self.held_out)} held-out files in {self.folder} can be read")
        return Crops(np.stack(list(crops.values())), tuple(crops))

    def _readable(self, step: int, place: int, row: int) -> tuple[NDArray[np.float32], str]:
        """A crop of the row, or of the first of its replacements that can be read."""
        replacements = generator(Purpose.REPLACEMENT, self.seed, step, place)
        for _ in range(1 + _MAX_REPLACEMENTS):
            file = self.training[row]
            crop = self._crop(file, generator(Purpose.CROP, self.seed, step, place))
            if crop is not None:
                return crop, file
            row = int(replacements.integers(len(self.training)))
        raise self._given_up(f"{1 + _MAX_REPLACEMENTS} files in a row in {self.folder} that cannot be read")

    def _given_up(self, got: str) -> TrainingError:
        reasons = name_some(list(self.unreadable.values()))
        return TrainingError(f"{got}: {reasons}", wanted="a folder of sounds that can be decoded")

    def _crop(self, file: str, random: np.random.Generator) -> NDArray[np.float32] | None:
        """(samples,), or nothing and a note."""
        if file in self.unreadable:
            return None
        try:
            waveform = load_16k(self.folder / file)
        except AudioError as error:
            self.unreadable[file] = str(error)
            return None
        return fit_length(
            waveform, self.num_samples, start=int(random.integers(max(1, len(waveform) - self.num_samples + 1)))
        )
