"""`mma export`: write a model in another form."""

from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json


def export(
    model: Annotated[str, typer.Option(metavar="FILE|RUN", help="Model file, official AASIST .pth, or run folder.")],
    out: Annotated[Path, typer.Option(help="The .safetensors file to write.")],
    full: Annotated[
        bool, typer.Option(help="Write the frozen weights of a self-supervised model inside too, not only its name.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a model as safetensors with its configuration inside.

    Example: `mma export --model AASIST.pth --out aasist.safetensors`
    """
    from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from moe_mamba_asv.models.hub import find_model

    with expected_errors():
        checkpoint = load_checkpoint(find_model(model))
        built = checkpoint.build()  # refuses weights that do not fit before anything is written
        if full:
            known = checkpoint.recipe, checkpoint.config, checkpoint.selection, checkpoint.num_samples
            checkpoint = Checkpoint.of(built, *known, full=True)
        save_checkpoint(checkpoint, out)
    if as_json:
        print_json({"out": str(out), "recipe": checkpoint.recipe})
    else:
        console.print(f"{checkpoint.recipe} → {out}", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)
