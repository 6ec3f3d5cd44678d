"""Runs that take a second: the small detector on a made corpus."""

from pathlib import Path

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.types import Partition

OVERRIDES = [
    "model.channels=[2,2,2,2]",
    "training.batch_size=4",
    "training.epochs=3",
    "training.num_samples=8000",
    "training.crop_samples=8000",
    "training.crops_per_clip=2",
    "training.learning_rate=0.01",
]


def made_run(root: Path, out: Path, *overrides: str, dev: Partition = Partition.DEV, **options) -> Run:
    """A run of 24 steps, 8 an epoch, unless overrides say otherwise."""
    parts = ((read_corpus("folder", root=root, partition=part),) for part in (Partition.TRAIN, dev))
    return Run(load_recipe("lcnn-small", [*OVERRIDES, *overrides]), *parts, out=out, **options)
