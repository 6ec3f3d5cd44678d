"""`mma recipes`: what can be trained."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar

if TYPE_CHECKING:
    from pydantic import BaseModel

recipes = typer.Typer(invoke_without_command=True, help="List the recipes. Example: `mma recipes show aasist`.")

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@recipes.callback()
def list_recipes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the recipes with their size; those of the model line are built to be measured, which takes a while."""
    if context.invoked_subcommand is not None:
        return
    from moe_mamba_asv.models.size import measure_size
    from moe_mamba_asv.training.recipe import load_recipe, recipe_names

    rows = []
    with expected_errors(), progress_bar() as progress:
        for name in progress.track(recipe_names(), description="measuring"):
            recipe = load_recipe(name)
            rows.append({"name": name, **asdict(measure_size(recipe.model)), "description": recipe.description})
    if as_json:
        print_json(rows)
        return
    table = Table("recipe", "what it is")
    for heading in ("parameters", "trained", "frames/s", "multiply-adds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        rate = "" if row["frame_rate_hz"] is None else f"{row['frame_rate_hz']:g}"
        giga = f"{row['multiply_adds'] / 1e9:.2f} G"
        table.add_row(row["name"], row["description"], f"{row['parameters']:,}", f"{row['trainable']:,}", rate, giga)
    console.print(table)
    console.print("Multiply-adds: of one clip of 64,600 samples, in matrix products and convolutions.", highlight=False)


@recipes.command()
def show(
    name: Annotated[str, typer.Argument(help="Recipe, or a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a resolved recipe, every key with its meaning. Example: `mma recipes show aasist-l`."""
    from moe_mamba_asv.training.recipe import load_recipe

    with expected_errors():
        recipe = load_recipe(name, overrides)
    if as_json:
        print_json(json.loads(recipe.model_dump_json()))
        return
    console.print(f"{recipe.name}: {recipe.description}", highlight=False)
    table = Table(Column("key", no_wrap=True), "value", "meaning")
    for section, config in (("model", recipe.model), ("training", recipe.training)):
        for key, value, meaning in _described(section, config):
            table.add_row(key, value, meaning)
    console.print(table)


def _described(prefix: str, config: "BaseModel") -> Iterator[tuple[str, str, str]]:
    """Every key of a section and of the sections in it, with its value and its meaning."""
    from pydantic import BaseModel

    for key, field in type(config).model_fields.items():
        value, name = getattr(config, key), f"{prefix}.{key}"
        parts = [(name, value)] if isinstance(value, BaseModel) else []
        if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            parts = [(f"{name}.{index}", part) for index, part in enumerate(value)]
        if not parts:
            yield name, str(value), field.description or ("which of them" if key == "kind" else "")
        for part_name, part in parts:
            yield part_name, "", field.description or ""
            yield from _described(part_name, part)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(recipes, name="recipes")
