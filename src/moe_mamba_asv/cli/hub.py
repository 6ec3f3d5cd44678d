"""`mma hub`: publish a model with its card, and fetch one."""

from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json

hub = typer.Typer(no_args_is_help=True, help="Publish models on a hub with their card, and fetch them.")

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@hub.command()
def push(
    model: Annotated[str, typer.Argument(metavar="RUN|FILE", help="Run folder, or model file.")],
    repository: Annotated[str, typer.Argument(help="owner/name; made where it is not there.")],
    title: Annotated[str, typer.Option(help="Of the card.")],
    licence: Annotated[str, typer.Option(help="SPDX identifier of the weights, e.g. Apache-2.0.")],
    training_data: Annotated[str, typer.Option(help="What it was trained on, in words.")],
    limits: Annotated[str, typer.Option(help="What it must not be used for, or is known to be bad at.")],
    public: Annotated[bool, typer.Option("--public", help="A repository that is made is public.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the card, and publish nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a model file with its card, in one commit; log in with `hf auth login` before.

    An ONNX file beside it (best.onnx beside best.safetensors) goes along, if it was exported from that very file.

    Example: `mma hub push runs/phase4 me/phase4 --title "Phase 4" --licence Apache-2.0 --training-data "ASVspoof 2019
    LA train" --limits "Not for audio over telephones" --dry-run`
    """
    from moe_mamba_asv.models.checkpoint import load_checkpoint
    from moe_mamba_asv.models.hub import Card, find_model, onnx_beside, push_to_hub, write_card

    with expected_errors():
        path, card = find_model(model), Card(title, licence, training_data, limits)
        if dry_run:
            typer.echo(write_card(load_checkpoint(path), repository, card, onnx_beside(path)))
            return
        address = push_to_hub(path, repository, card, private=not public)
    if as_json:
        print_json({"repository": repository, "commit": address})
    else:
        console.print(address, highlight=False, soft_wrap=True)


@hub.command()
def pull(
    repository: Annotated[str, typer.Argument(help="owner/name, perhaps with @revision.")],
    out: Annotated[Path, typer.Option(help="Model file to write.")],
    as_json: AsJson = False,
) -> None:
    """Fetch a model file, for a machine without a hub; `--model hf://owner/name` does without this.

    Example: `mma hub pull lab/detector --out detector.safetensors`
    """
    from moe_mamba_asv.models.checkpoint import file_sha256, load_checkpoint
    from moe_mamba_asv.models.hub import find_model
    from moe_mamba_asv.scores import write_atomically

    with expected_errors():
        path = find_model(f"hf://{repository}")
        recipe = load_checkpoint(path).recipe  # refuses what is no model of ours before anything is written
        write_atomically(out, path.read_bytes())
    answer = {"recipe": recipe, "out": str(out), "sha256": file_sha256(out)}
    if as_json:
        print_json(answer)
    else:
        console.print(f"{recipe} → {out}", highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(hub, name="hub")
