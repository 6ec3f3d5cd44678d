"""What is learnt in which step: a pure function of the seed, so that any run can be taken up anywhere."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.output import LABEL_ORDER
from moe_mamba_asv.types import Corpus

#: A position in training: (step, row of the table).
Position = tuple[int, int]


class Clips(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Clips of one partition as (crop, label, row).

    Args:
        corpus: one partition, with audio and labels.
        num_samples: of a crop.
        seed: of the random crops; None crops the first samples, as evaluation does.
    """

    def __init__(self, corpus: Corpus, num_samples: int, *, seed: int | None) -> None:
        self.table = corpus.table.select("utterance", "path", "label")
        self.num_samples, self.seed = num_samples, seed
        for column in ("path", "label"):
            if self.table[column].null_count():
                raise TrainingError(f"{corpus.kind}: utterances without {column}", wanted="audio and labels for all")

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, position: Position) -> tuple[Tensor, Tensor, Tensor]:
        """The crop that training hears of a row in a step."""
        step, row = position
        _, path, label = self.table.row(row)
        waveform = load_16k(Path(path))
        start = 0
        if self.seed is not None and len(waveform) > self.num_samples:
            generator = np.random.default_rng([self.seed, step, row])
            start = int(generator.integers(len(waveform) - self.num_samples + 1))
        crop = fit_length(waveform, self.num_samples, start=start)
        return torch.from_numpy(crop), torch.tensor(LABEL_ORDER.index(label)), torch.tensor(row)


class ShuffledBatches(Sampler[list[Position]]):
    """The batches of one epoch, in an order that the seed and the epoch decide. A short last batch is left out.

    Args:
        num_clips: in the training partition.
        crops_per_clip: how often the epoch hears each of them.
        batch_size: clips a batch.
        seed: of the run.
        epoch: counted from 0.
        num_batches: of this epoch; fewer than all in the last one of a run with a step limit.
    """

    def __init__(
        self, num_clips: int, crops_per_clip: int, batch_size: int, *, seed: int, epoch: int, num_batches: int
    ) -> None:
        self.num_clips, self.num_crops = num_clips, num_clips * crops_per_clip
        self.batch_size, self.seed = batch_size, seed
        self.epoch, self.num_batches = epoch, num_batches

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[list[Position]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.num_crops) % self.num_clips
        first_step = self.epoch * batches_per_epoch(self.num_crops, self.batch_size)
        for number in range(self.num_batches):
            rows = order[number * self.batch_size : (number + 1) * self.batch_size]
            yield [(first_step + number, int(row)) for row in rows]


def batches_per_epoch(num_crops: int, batch_size: int) -> int:
    """Full batches in one pass; a corpus smaller than a batch makes one short batch."""
    return max(1, num_crops // batch_size)
