"""From a position in training to what the model hears there."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from moe_mamba_asv.audio.augment.augmentation import augment
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.models.output import LABEL_ORDER
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.data.batches import Position
from moe_mamba_asv.training.data.cache import DecodedStore
from moe_mamba_asv.training.data.features import FixedStore
from moe_mamba_asv.training.data.mixture import UNKNOWN_ATTACK, Mixture
from moe_mamba_asv.training.data.vocoded import VocodedConfig, vocoded
from moe_mamba_asv.types import Label

_BONAFIDE, _SPOOF = LABEL_ORDER.index(Label.BONAFIDE), LABEL_ORDER.index(Label.SPOOF)
#: Last words of keys, so that augmentations share no generator with crops, decks and mixtures, nor with each other.
_AUGMENTATION, _VOCODED = 4, 5


class Clip(NamedTuple):
    """One crop; see `Batch` for what the numbers mean.

    Attributes:
        waveform: (samples,), 16 kHz.
        fixed: see `FixedStore.of`; empty where nothing is kept.
    """

    waveform: Tensor
    label: int
    row: int
    attack: int
    domain: int
    fixed: tuple[Tensor, ...] = ()


class Clips(Dataset[Clip]):
    """Crops by position.

    With features every crop is of the first samples, in training too: those are what the features are of.

    Args:
        mixture: one partition.
        num_samples: of a crop, where the position does not want a shorter one.
        seed: of the random crops, which nothing draws where there are features; None crops the first samples, as
            evaluation does, and then nothing may be augmented.
        store: the same clips decoded, in place of their files.
        features: of the first ``num_samples`` of the same clips, handed out beside the crops.
        augmentations: what is done to a crop, in turn.
        vocoded: bona fide crops that become spoofed ones, before anything else is done to them.

    Raises:
        TrainingError: the store holds other clips, or the features are of others or of another length.
    """

    def __init__(
        self,
        mixture: Mixture,
        num_samples: int,
        *,
        seed: int | None,
        store: DecodedStore | None = None,
        features: FixedStore | None = None,
        augmentations: Sequence[Transform] = (),
        vocoded: VocodedConfig | None = None,
    ) -> None:
        self.num_samples, self.store, self.features = num_samples, store, features
        self.seed = seed if features is None else None
        self.augmentations, self.vocoded = augmentations, vocoded
        # Plain columns: polars has threads of its own, which a forked loader must not meet.
        self._paths: list[str] = mixture.table["path"].to_list()
        self._labels = np.array([LABEL_ORDER.index(label) for label in mixture.table["label"]])
        self._attacks = mixture.table["attack_index"].to_numpy()
        self._domains = mixture.table["domain"].to_numpy()
        for kept in (store, features):
            if kept is not None and not kept.holds(self._paths):
                raise TrainingError(
                    f"what is kept in {kept.folder} is of other files", wanted="the clips of this table, in its order"
                )
        if features is not None and features.num_samples != num_samples:
            raise TrainingError(
                f"features of {features.num_samples} samples beside crops of {num_samples}",
                wanted="the same length of both",
            )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, position: Position | tuple[int, int]) -> Clip:
        """The crop that a step hears of a row: a function of (seed, step, row).

        Raises:
            TrainingError: the position wants a shorter crop than the one that the features are of.
        """
        step, row, longest_crop = position if isinstance(position, Position) else Position(*position)
        num_samples = self.num_samples if longest_crop is None else min(self.num_samples, longest_crop)
        if self.features is not None and num_samples < self.num_samples:
            raise TrainingError(
                f"a crop of {num_samples} samples with features of {self.num_samples}",
                wanted="crops of one length, or no features",
                remedy="--set training.sampling.bucket_by_duration=false",
            )
        if self.store is None:
            waveform = load_16k(Path(self._paths[row]))
            crop = fit_length(waveform, num_samples, start=self._start(step, row, len(waveform) - num_samples))
        else:
            start = self._start(step, row, int(self.store.num_samples[row]) - num_samples)
            crop = fit_length(self.store.samples(row, start, num_samples), num_samples)
        label, attack = int(self._labels[row]), int(self._attacks[row])
        if self.seed is not None and self.vocoded is not None and label == _BONAFIDE:
            synthesis = vocoded(crop, self.vocoded, np.random.default_rng([self.seed, step, row, _VOCODED]))
            if synthesis is not None:
                crop, label, attack = synthesis, _SPOOF, UNKNOWN_ATTACK
        if self.seed is not None and self.augmentations:
            crop = fit_length(augment(crop, self.augmentations, augmentation_rng(self.seed, step, row)), num_samples)
        numbers = label, row, attack, int(self._domains[row])
        return Clip(torch.from_numpy(crop), *numbers, fixed=() if self.features is None else self.features.of(row))

    def _start(self, step: int, row: int, last_start: int) -> int:
        if self.seed is None or last_start <= 0:
            return 0
        return int(np.random.default_rng([self.seed, step, row]).integers(last_start + 1))


def augmentation_rng(seed: int, step: int, row: int) -> np.random.Generator:
    """What an augmentation of a crop is drawn from, in the loader or on the device."""
    return np.random.default_rng([seed, step, row, _AUGMENTATION])


def collate(clips: Sequence[Clip]) -> Batch:
    """Clips of equal length as a batch."""
    waveforms, *numbers, fixed = zip(*clips, strict=True)
    return Batch(
        torch.stack(waveforms),
        *map(torch.tensor, numbers),
        fixed=tuple(torch.stack(tensors) for tensors in zip(*fixed, strict=True)),
    )
