"""How features are computed: in parts, by any number of processes at once, each of which may be killed."""

import json
import math
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.countermeasure import Countermeasure
from moe_mamba_asv.training.data.building import BUILDING, publish, workshop
from moe_mamba_asv.training.data.cache import DecodedStore, Progress

INDEX = "index.json"
#: Of all values in a part.
FLOAT32 = np.dtype("<f4")
#: Clips in a part; what a kill can cost is the part that was being written.
_PART_CLIPS = 256


def part_path(folder: Path, part: int) -> Path:
    """The file of a part: its clips one after the other, and of each all tensors one after the other."""
    return folder / f"{part}.f32"


class FeatureBuild:
    """What one process does to build a store: it hands in parts to a folder that all builders of the store share.

    A part is there whole or not at all, and whoever finds all of them there publishes the folder. So nobody waits for
    another, and nobody needs to know who is still alive.

    Args:
        model: on the device.
        store: the decoded clips.
        paths: of the clips, absolute.
        num_samples: of each clip, from the first on.
        device: where the model is.
        batch_size: clips that the front-ends hear at once.
        on_progress: called with clips done and all clips.

    Raises:
        AudioError: ``num_samples`` are too few or too many for the model.
    """

    def __init__(
        self,
        model: Countermeasure,
        store: DecodedStore,
        paths: list[str],
        num_samples: int,
        device: torch.device,
        batch_size: int,
        on_progress: Progress,
    ) -> None:
        self.model, self.store, self.num_samples, self.device = model, store, num_samples, device
        self.batch_size, self.on_progress = batch_size, on_progress
        self.parts = [range(start, min(start + _PART_CLIPS, len(store))) for start in range(0, len(store), _PART_CLIPS)]
        silence = self._fixed(np.zeros((1, num_samples), np.float32))
        shapes = [list(tensor.shape[1:]) for tensor in silence]
        self.clip_bytes = sum(math.prod(shape) for shape in shapes) * FLOAT32.itemsize
        self.index = {"num_samples": num_samples, "part_clips": _PART_CLIPS, "shapes": shapes, "paths": paths}

    def run(self, place: Path) -> None:
        """Build until all is there, by whomever.

        Args:
            place: the folder of the store.

        Raises:
            TrainingError: there is too little room.
        """
        shared = place.parent / f"{BUILDING}{place.name}"
        with suppress(FileNotFoundError):
            os.utime(shared)  # what a killed build has left is wanted
        with workshop(place.parent) as own:
            self._require_room(own, self._missing(shared))
            while (missing := self._missing(shared)) and not place.is_dir():
                # Whichever, so that others who build at the same time are at other ones.
                part = missing[uuid4().int % len(missing)]
                file = part_path(own, part)
                self._write(file, part, len(self.store) - self._num_clips(missing))
                _hand_in(file, shared)
            if not place.is_dir():
                (own / INDEX).write_text(json.dumps(self.index))
                _hand_in(own / INDEX, shared)
                publish(shared, place)
            if shared.is_dir():  # made anew by one who came too late
                shutil.rmtree(shared, ignore_errors=True)

    def _missing(self, shared: Path) -> list[int]:
        return [part for part in range(len(self.parts)) if not part_path(shared, part).is_file()]

    def _num_clips(self, parts: Sequence[int]) -> int:
        return sum(len(self.parts[part]) for part in parts)

    def _require_room(self, folder: Path, missing: Sequence[int]) -> None:
        needed, free = self._num_clips(missing) * self.clip_bytes, shutil.disk_usage(folder).free
        if needed > free:
            raise TrainingError(
                f"features of {self._num_clips(missing):,} clips take {needed / 1e9:,.1f} GB, "
                f"and {folder.parent} has {free / 1e9:,.1f} GB left",
                remedy="another folder, fewer hidden states (layers: last, or num_layers), or no kept features",
            )

    def _write(self, file: Path, part: int, done: int) -> None:
        rows = self.parts[part]
        with file.open("wb") as written:
            for start in range(0, len(rows), self.batch_size):
                batch = rows[start : start + self.batch_size]
                crops = [fit_length(self.store.samples(row, 0, self.num_samples), self.num_samples) for row in batch]
                fixed = [tensor.flatten(1).float().cpu() for tensor in self._fixed(np.stack(crops))]
                written.write(torch.cat(fixed, dim=1).numpy().astype(FLOAT32, copy=False).data)
                self.on_progress(done + start + len(batch), len(self.store))
            written.flush()
            os.fsync(written.fileno())

    def _fixed(self, waveforms: NDArray[np.float32]) -> tuple[Tensor, ...]:
        # Not in inference mode: what a module keeps of such a pass could be of no use to training.
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            return self.model.fixed(torch.from_numpy(waveforms).to(self.device))


def _hand_in(file: Path, shared: Path) -> None:
    """Give a file to the builders of a store, who may have published it a moment ago: then nobody needs it."""
    shared.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):
        file.replace(shared / file.name)
