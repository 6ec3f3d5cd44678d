"""The command `mma`: one file a command, no logic; heavy rooms are imported when a command runs."""

import typer

from moe_mamba_asv import __version__
from moe_mamba_asv.cli import (
    bench,
    calibrate,
    compare,
    corpus,
    diagnose,
    doctor,
    evaluate,
    export,
    hub,
    pretrain,
    profile,
    recipes,
    report,
    score,
    serve,
    train,
)
from moe_mamba_asv.cli.extras import Commands

app = typer.Typer(
    name="mma",
    cls=Commands,
    help="Detect synthetic speech: build corpora, train, score, evaluate and report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moe-mamba-asv {__version__}")
        raise typer.Exit


@app.callback()
def root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print it.")) -> None:
    """Detect synthetic speech: build corpora, train, score, evaluate and report."""


for command in (
    corpus,
    pretrain,
    train,
    score,
    evaluate,
    calibrate,
    profile,
    compare,
    diagnose,
    report,
    recipes,
    export,
    serve,
    hub,
    bench,
    doctor,
):
    command.register(app)


def main() -> None:
    """Entry point of `mma` and `moe-mamba-asv`."""
    app()
