"""What is asked of a training run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.recipe import Recipe
from moe_mamba_asv.types import Corpus, Label, Partition

#: Told after each step: step, total steps and the last EER on dev, nan before the first.
Report = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Run:
    """What is asked of a training run.

    Attributes:
        recipe: resolved.
        train: training partitions, one of each corpus.
        dev: the partitions that choose the weights, pooled; never eval.
        out: the run folder.
        weights: how often each training corpus is heard; None hears every clip equally often.
        seed: of everything random.
        max_steps: ends the run early and shortens the cosine; None trains the recipe's epochs.
        workers: processes that decode; they change nothing but the speed.
        cache: folder of decoded clips, shared by runs; None decodes a file each time that it is heard.
        loggers: that write values down besides the run folder's tables.
        accelerator: ``cpu``, ``cuda`` or ``auto``.
        devices: on each node.
        nodes: machines.
        strategy: ``fsdp`` cuts the model up among devices, see `sharding`; else ``auto``, ``ddp`` …, as Lightning
            calls it.
        compiled: whether PyTorch compiles the model.
    """

    recipe: Recipe
    train: tuple[Corpus, ...]
    dev: tuple[Corpus, ...]
    out: Path
    weights: tuple[float, ...] | None = None
    seed: int = 0
    max_steps: int | None = None
    workers: int = 0
    cache: Path | None = None
    loggers: tuple[str, ...] = ("tensorboard",)
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.recipe.training.frozen_features and self.cache is None:
            raise TrainingError("training.frozen_features without a folder to keep them in", remedy="--cache FOLDER")
        for corpora, wanted in ((self.train, Partition.TRAIN), (self.dev, Partition.DEV)):
            _require(corpora, wanted)

    def total_steps(self, steps_per_epoch: int) -> int:
        """Optimiser steps of the whole run."""
        return self.recipe.training.epochs * steps_per_epoch if self.max_steps is None else self.max_steps

    @property
    def state(self) -> Path:
        """The file from which the run resumes."""
        return self.out / "state" / "last.ckpt"


def _require(corpora: tuple[Corpus, ...], wanted: Partition) -> None:
    """Refuse another partition: what is handed in as dev chooses the weights, and eval never does."""
    partitions = {value for corpus in corpora for value in corpus.table["partition"].unique()}
    labels = {value for corpus in corpora for value in corpus.table["label"].unique()}
    if partitions != {wanted.value} or labels != set(Label):
        raise TrainingError(
            f"partitions {sorted(map(str, partitions))} with labels {sorted(map(str, labels))} given as {wanted}",
            wanted=f"utterances of the {wanted} partition, bona fide and spoof",
            remedy="`mma corpus check` shows what the corpus holds",
        )
