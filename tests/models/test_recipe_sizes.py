"""The sizes that docs/models.md prints."""

import pytest

from moe_mamba_asv.models.size import measure_size
from moe_mamba_asv.training.recipe import load_recipe

SIZES = {
    "phase2": (316_191_826, 739_858),
    "phase3": (317_485_989, 77_614_581),
    "phase4": (317_065_355, 152_774_507),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_of_the_arithmetic(name: str) -> None:
    size = measure_size(load_recipe(name).model)
    assert (size.parameters, size.trainable) == SIZES[name]
    assert size.frame_rate_hz == 50
    assert size.multiply_adds > 50e9  # a WavLM-Large alone
