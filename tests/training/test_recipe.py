"""Recipes: resolved, overridden, and what is wrong with one is said."""

from pathlib import Path

import pytest

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.training.losses.cross_entropy import CrossEntropyConfig
from moe_mamba_asv.training.recipe import load_recipe, recipe_names


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_resolves(name: str) -> None:
    assert load_recipe(name).name == name


def test_a_recipe_extends_another() -> None:
    assert load_recipe("aasist-l").training == load_recipe("aasist").training
    assert load_recipe("aasist-l").model != load_recipe("aasist").model


def test_an_override_changes_one_key() -> None:
    recipe = load_recipe("aasist", ["training.batch_size=3", "training.objective.loss.class_weights=[0.5, 0.5]"])
    assert recipe.training.batch_size == 3
    assert recipe.training.objective.loss == CrossEntropyConfig(class_weights=(0.5, 0.5))
    assert recipe.training.epochs == load_recipe("aasist").training.epochs


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.batch_sise=3", "batch_size"),
        ("model.encoder_widht=3", "encoder_width"),
        ("trainin.epochs=3", "training"),
        ("training.epochs=0", "greater than or equal to 1"),
        ("training.epochs", "KEY=VALUE"),
        ("model.kind=aasst", "aasist"),
    ],
)
def test_a_wrong_override_is_explained(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_recipe("aasist", [override])


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="try: aasist"):
        load_recipe("aasits")


def test_a_recipe_of_ones_own_may_extend_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: lcnn-small\ndescription: mine\ntraining: {epochs: 1}\n")
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.training.epochs, recipe.training.batch_size) == ("mine", 1, 32)


@pytest.mark.parametrize(
    "setting",
    ["model.num_attacks=3", "model.projection_width=8", "training.objective.domain=0.1", "model.num_domains=2"],
)
def test_a_head_without_its_loss_and_a_loss_without_its_head_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match="set both, or neither"):
        load_recipe("phase4", [setting])
