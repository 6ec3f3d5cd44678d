"""`mma corpus gallery`: the attacks of a built corpus, to hear and to see."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from moe_mamba_asv.cli import terminal


def gallery(
    root: Annotated[Path, typer.Argument(help="A corpus that `mma corpus build minispoof` made.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; made where it is absent.")],
    lang: Annotated[Literal["en", "zh", "both"], typer.Option(help="Language of the pages.")] = "both",
    examples: Annotated[int, typer.Option(min=1, help="Of each attack, at most.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of examples.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write a page on which a person hears and sees each attack of a minispoof corpus beside its original.

    The page needs nothing from outside itself. Exit code 1: some sounds could not be read; the page lists them.

    Example: `mma corpus gallery corpora/minispoof --out gallery`
    """
    from moe_mamba_asv.reports.gallery import write_gallery
    from moe_mamba_asv.reports.locale import LANGUAGES

    with terminal.expected_errors():
        languages = LANGUAGES if lang == "both" else (lang,)
        written = write_gallery(root, out, languages=languages, num_examples=examples, seed=seed)
    failed = [{"utterance": sound.utterance, "reason": sound.reason} for sound in written.failed]
    if as_json:
        terminal.print_json({"files": [str(file) for file in written.files], "failed": failed})
    else:
        for file in written.files:
            typer.echo(str(file))
        for sound in written.failed:
            typer.echo(f"left out {sound.utterance}: {sound.reason}", err=True)
    if failed:
        raise typer.Exit(terminal.SOME_FAILED)


def register(app: typer.Typer) -> None:
    """Add `gallery` to a group of commands."""
    app.command("gallery")(gallery)
