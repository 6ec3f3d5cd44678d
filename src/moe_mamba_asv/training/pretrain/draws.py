"""Random numbers by purpose: a function of the seed and of where in the run they are needed, never of the past."""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What is drawn. A purpose has its own generators, each with as many numbers behind the seed as the others."""

    WEIGHTS = 1
    HELD_OUT = 2
    ORDER = 3
    CROP = 4
    REPLACEMENT = 5
    CLUSTER = 6
    MASK = 7
    MIXING = 8
    DROPOUT = 9
    HELD_OUT_CROP = 10
    HELD_OUT_MASK = 11


def generator(purpose: Purpose, seed: int, *place: int) -> np.random.Generator:
    """The generator of one draw.

    Args:
        purpose: of the draw.
        seed: of the run.
        place: step, row, attempt … where it is needed.
    """
    return np.random.default_rng([purpose, seed, *place])


def torch_seed(purpose: Purpose, seed: int, *place: int) -> int:
    """A seed for PyTorch's own generator."""
    return int(generator(purpose, seed, *place).integers(2**31))
