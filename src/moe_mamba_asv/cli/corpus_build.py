"""`mma corpus build`: make a labelled corpus on the spot."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli import terminal


class BuildKind(StrEnum):
    """The corpora that can be built here."""

    MINISPOOF = "minispoof"


def build(
    kind: Annotated[BuildKind, typer.Argument(help="What to build.")],
    out: Annotated[Path, typer.Option(help="A new folder, or one that the same command began.")],
    speech: Annotated[
        Path | None,
        typer.Option(help="A folder of real speech of three or more speakers; without it, the embedded recordings."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most this many recordings.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the partition, the ids and the attacks.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; their number changes no result.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Build real speech and attacks on it into a corpus of ASVspoof 2019's layout.

    Killed and started again, it goes on where it was. Exit code 1: some recordings could not be used.

    Example: `mma corpus build minispoof --out corpora/minispoof`
    """
    from moe_mamba_asv.corpora.minispoof.build import build_minispoof

    with terminal.expected_errors(), terminal.progress_bar() as bar:
        task = bar.add_task(f"building {kind}", total=None)
        summary = build_minispoof(
            out,
            speech=speech,
            limit=limit,
            seed=seed,
            workers=workers,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if as_json:
        terminal.print_json(
            {
                "out": str(summary.out),
                "counts": summary.counts,
                "built": summary.built,
                "reused": summary.reused,
                "failed": [{"path": failure.path, "reason": failure.reason} for failure in summary.failed],
            }
        )
    else:
        for partition, counts in summary.counts.items():
            typer.echo(f"{partition}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
        typer.echo(f"{summary.built} files written, {summary.reused} kept, in {summary.out}")
        for failure in summary.failed:
            typer.echo(f"left out {failure.path}: {failure.reason}", err=True)
    if summary.failed:
        raise typer.Exit(terminal.SOME_FAILED)


def register(app: typer.Typer) -> None:
    """Add `build` to a group of commands."""
    app.command("build")(build)
