"""Which rows a step hears: a pure function of the seed and the step, so that any run can be taken up anywhere."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from torch.utils.data import Sampler

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.data.decks import Balance, Deck, Rows, build_decks
from moe_mamba_asv.training.data.mixture import Mixture

#: Steps among which clips are sorted by duration: enough for clips of a batch to be alike, too few for an order.
POOL_STEPS = 64
#: Crops of short clips are not cut below this: encoders pool in time, and need something to pool.
SHORTEST_CROP_SAMPLES = SAMPLE_RATE_HZ

#: Last word of a pool's key, see `moe_mamba_asv.training.data.decks`.
_POOL = 2


class SamplingConfig(BaseModel):
    """How the rows of a batch are chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    balance: Balance = Field(
        default="none",
        description="class: as many bona fide as spoofed clips in a batch; attack: besides, as many of each attack",
    )
    bucket_by_duration: bool = Field(
        default=False,
        description="clips of similar duration share a batch, whose crops are no longer than its longest clip",
    )


class Position(NamedTuple):
    """A clip in a step.

    Attributes:
        step: counted from the start of the run.
        row: of the mixture.
        longest_crop: samples that a crop of this step may have; None does not limit them.
    """

    step: int
    row: int
    longest_crop: int | None = None


class Plan:
    """Which rows each step of a run hears.

    Without balance and weights an epoch is a permutation of all crops; those that fill no batch are left out.
    With either the run is one sequence of draws, without replacement inside a class, corpus or attack until all of
    its rows are out; the shares are kept exactly but for rounding, in every batch and over any number of them.

    Args:
        mixture: what there is to hear.
        config: how it is chosen.
        batch_size: clips of an optimiser step, on all devices and in all of its micro-batches together.
        crops_per_clip: how often an epoch hears each clip, on the average where it is balanced or weighted.
        seed: of the run.

    Attributes:
        batch_size: as given; fewer where a whole epoch is less than a batch.
        steps_per_epoch: full batches of one pass, at least one.

    Raises:
        TrainingError: a balance without both classes; buckets without the duration of every clip.
    """

    def __init__(
        self, mixture: Mixture, config: SamplingConfig, *, batch_size: int, crops_per_clip: int, seed: int
    ) -> None:
        num_crops = len(mixture) * crops_per_clip
        self._whole_epochs = config.balance == "none" and mixture.weights is None
        self._num_crops, self.seed = num_crops, seed
        self.batch_size = min(batch_size, num_crops) if self._whole_epochs else batch_size
        self.steps_per_epoch = max(1, num_crops // batch_size)
        self._decks = (
            Deck(np.arange(num_crops) % len(mixture), seed)
            if self._whole_epochs
            else build_decks(mixture, config.balance, seed)
        )
        self._lengths = _lengths(mixture) if config.bucket_by_duration else None
        self._pool: tuple[int, list[Rows]] | None = None

    def rows(self, step: int) -> list[int]:
        """The rows of a step; those of a class, corpus or attack that is balanced or weighted stand together."""
        return self._rows(step).tolist()

    def longest_crop(self, step: int) -> int | None:
        """Samples that a crop of a step may have; None without buckets, which leaves it to the recipe."""
        if self._lengths is None:
            return None
        return max(SHORTEST_CROP_SAMPLES, int(self._lengths[self._rows(step)].max()))

    def _rows(self, step: int) -> Rows:
        return np.concatenate(self._hands(step)) if self._lengths is None else self._bucketed(step, self._lengths)

    def _hands(self, step: int) -> list[Rows]:
        """The rows of a step by deck, before they are sorted by duration."""
        start = step * self.batch_size
        if self._whole_epochs:
            epoch, number = divmod(step, self.steps_per_epoch)
            start = epoch * self._num_crops + number * self.batch_size
        return self._decks.deal(start, start + self.batch_size)

    def _bucketed(self, step: int, lengths: Rows) -> Rows:
        """The rows of a step, taken from its pool: steps of one epoch that hear the same rows as without buckets."""
        epoch, number = divmod(step, self.steps_per_epoch)
        first = number // POOL_STEPS * POOL_STEPS
        start = epoch * self.steps_per_epoch + first
        if self._pool is None or self._pool[0] != start:
            hands = [self._hands(start + n) for n in range(min(POOL_STEPS, self.steps_per_epoch - first))]
            order = np.random.default_rng([self.seed, start, 0, _POOL]).permutation(len(hands))
            buckets = _by_length(hands, lengths)
            self._pool = start, [buckets[place] for place in order]
        return self._pool[1][number - first]


def _lengths(mixture: Mixture) -> Rows:
    """Samples of every clip at 16 kHz."""
    duration_s = mixture.table["duration_s"]
    unknown = len(duration_s) - int((duration_s.is_finite() & (duration_s > 0)).sum())
    if unknown:
        raise TrainingError(
            f"buckets by duration, and {unknown:,} of {len(duration_s):,} clips without one",
            wanted="the duration of every clip",
            remedy="decode the corpus once and keep it, which measures them, or a column duration_s in seconds",
        )
    return np.rint(duration_s.to_numpy() * SAMPLE_RATE_HZ).astype(np.int64)


def _by_length(hands: list[list[Rows]], lengths: Rows) -> list[Rows]:
    """Sort each deck's rows by length over all steps; every step keeps the number of rows that it has of each."""
    buckets: list[list[Rows]] = [[] for _ in hands]
    for of_deck in zip(*hands, strict=True):
        rows = np.concatenate(of_deck)
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        ends = np.cumsum([len(hand) for hand in of_deck])
        for bucket, part in zip(buckets, np.split(rows, ends[:-1]), strict=True):
            bucket.append(part)
    return [np.concatenate(bucket) for bucket in buckets]


class StepBatches(Sampler[list[Position]]):
    """The micro-batches of one device, step after step.

    A step hears the same rows, cut in the same way, whatever the number of devices and micro-batches: each of them
    takes every (devices × micro-batches)-th row of `Plan.rows`, so that all get their part of each class.

    Args:
        plan: of the run.
        first_step: where to begin; counted from the start of the run.
        last_step: where to end, exclusive.
        rank: of this device.
        world: devices.
        accumulate: micro-batches a step and device.

    Raises:
        TrainingError: a batch cannot be cut into equal parts.
    """

    def __init__(
        self, plan: Plan, first_step: int, last_step: int, rank: int = 0, world: int = 1, accumulate: int = 1
    ) -> None:
        if plan.batch_size % (world * accumulate):
            raise TrainingError(
                f"{plan.batch_size} clips a step for {world} devices × {accumulate} micro-batches",
                wanted="as many clips for each",
                remedy=f"a batch size that is a multiple of {world * accumulate}, and at least as many training clips",
            )
        self.plan, self.first_step, self.last_step = plan, first_step, last_step
        self.rank, self.world, self.accumulate = rank, world, accumulate

    def __len__(self) -> int:
        return (self.last_step - self.first_step) * self.accumulate

    def __iter__(self) -> Iterator[list[Position]]:
        for step in range(self.first_step, self.last_step):
            rows, longest_crop = self.plan.rows(step), self.plan.longest_crop(step)
            for part in range(self.accumulate):
                own = rows[part * self.world + self.rank :: self.accumulate * self.world]
                yield [Position(step, row, longest_crop) for row in own]
