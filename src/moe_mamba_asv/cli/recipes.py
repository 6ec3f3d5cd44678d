"""`mma recipes`: what can be trained."""

import json
from typing import Annotated

import typer
from rich.table import Table

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json

recipes = typer.Typer(invoke_without_command=True, help="List the recipes. Example: `mma recipes show aasist`.")

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@recipes.callback()
def list_recipes(context: typer.Context, as_json: AsJson = False) -> None:
    """List the recipes with their size."""
    if context.invoked_subcommand is not None:
        return
    from moe_mamba_asv.models.build import build_model
    from moe_mamba_asv.training.recipe import load_recipe, recipe_names

    rows = []
    for name in recipe_names():
        recipe = load_recipe(name)
        size = sum(parameter.numel() for parameter in build_model(recipe.model).parameters())
        rows.append({"name": name, "parameters": size, "description": recipe.description})
    if as_json:
        print_json(rows)
        return
    table = Table("recipe", "parameters", "what it is")
    for row in rows:
        table.add_row(row["name"], f"{row['parameters']:,}", row["description"])
    console.print(table)


@recipes.command()
def show(
    name: Annotated[str, typer.Argument(help="Recipe, or a YAML file.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print a resolved recipe, every key with its meaning. Example: `mma recipes show aasist-l`."""
    from pydantic import BaseModel

    from moe_mamba_asv.training.recipe import load_recipe

    with expected_errors():
        recipe = load_recipe(name, overrides)
    if as_json:
        print_json(json.loads(recipe.model_dump_json()))
        return
    console.print(f"{recipe.name}: {recipe.description}", highlight=False)
    table = Table("key", "value", "meaning")
    sections: dict[str, BaseModel] = {"model": recipe.model, "training": recipe.training}
    for section, config in sections.items():
        for key, field in type(config).model_fields.items():
            table.add_row(f"{section}.{key}", str(getattr(config, key)), field.description or "")
    console.print(table)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.add_typer(recipes, name="recipes")
