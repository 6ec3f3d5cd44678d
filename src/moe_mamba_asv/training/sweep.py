"""The same run with several seeds: what a number owes to chance."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.training.run import Run


@dataclass(frozen=True)
class Sweep:
    """What the runs of a sweep found on dev.

    Attributes:
        models: the best model file of each run.
        dev_eers: their EER on dev, as fractions.
    """

    models: tuple[Path, ...]
    dev_eers: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the EER on dev."""
        return float(np.mean(self.dev_eers))

    @property
    def spread(self) -> float:
        """Standard deviation of the EER on dev over seeds (n - 1)."""
        return float(np.std(self.dev_eers, ddof=1))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``seeds=1,2,3``.

    Raises:
        ConfigError: anything else, a seed twice, or a single one, which has no spread.
    """
    name, _, values = text.partition("=")
    seeds = [value.strip() for value in values.split(",")]
    if name != "seeds" or not all(seed.isdecimal() for seed in seeds) or len({*seeds}) < max(2, len(seeds)):
        raise ConfigError(f"--sweep {text!r}", wanted="seeds=1,2,3, two or more, each once")
    return tuple(map(int, seeds))


def runs_of(run: Run, seeds: Sequence[int]) -> Iterator[Run]:
    """A run for each seed, in a folder of its own: ``seed-N``."""
    for seed in seeds:
        yield replace(run, seed=seed, out=run.out / f"seed-{seed}")


def summarise(models: Sequence[Path]) -> Sweep:
    """Read what chose each model."""
    return Sweep(tuple(models), tuple(float(load_checkpoint(path).selection["value"]) for path in models))
