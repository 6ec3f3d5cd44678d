"""The sizes that docs/models.md prints."""

from pathlib import Path

import pytest

from moe_mamba_asv.models.build import build_model
from moe_mamba_asv.models.size import measure_size
from moe_mamba_asv.training.recipe import load_recipe
from tiny_ssl import save_tiny

SIZES = {
    "phase2": (316_191_826, 739_858),
    "phase3": (317_485_989, 77_614_581),
    "phase4": (317_065_355, 152_774_507),
}

#: Parameters, and multiply-adds of a clip of 64,600 samples in units of 10 million.
STREAMS = {"phase1-stream": (782_448, 984), "phase1-stream-small": (104_228, 50)}


@pytest.mark.parametrize("name", STREAMS)
def test_recipes_for_live_streams_are_as_small_as_they_say(name: str) -> None:
    size = measure_size(load_recipe(name).model)
    assert size.parameters == size.trainable
    assert (size.parameters, round(size.multiply_adds / 1e7)) == STREAMS[name]
    assert size.frame_rate_hz == pytest.approx(16_000 / 729)


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_those_of_the_arithmetic(name: str) -> None:
    size = measure_size(load_recipe(name).model)
    assert (size.parameters, size.trainable) == SIZES[name]
    assert size.frame_rate_hz == 50
    assert size.multiply_adds > 50e9  # a WavLM-Large alone


def test_a_model_that_no_recipe_names_is_sized_as_well(tmp_path: Path) -> None:
    config = load_recipe("phase2", [f"model.frontends.0.source={save_tiny(tmp_path, 'wavlm-stable')}"]).model
    model = build_model(config)
    assert measure_size(config).parameters == sum(parameter.numel() for parameter in model.parameters())
