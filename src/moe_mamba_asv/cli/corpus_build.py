"""`mma corpus build`: make a labelled corpus on the spot."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

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
    attacks: Annotated[
        str | None, typer.Option(help="Ids such as A01,A07; without it, all whose engines are installed.")
    ] = None,
    everywhere: Annotated[
        bool, typer.Option(help="Each attack in each partition: to train on all of them, not to judge a detector.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the partition, the ids and the attacks.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; their number changes no result.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Build real speech and attacks on it into a corpus of ASVspoof 2019's layout.

    Killed and started again, it goes on where it was. Exit code 1: some recordings could not be used.
    `mma corpus attacks` lists the attacks and what they need.

    Example: `mma corpus build minispoof --out corpora/minispoof`

    Example: `mma corpus build minispoof --speech /data/speech --limit 200 --attacks A01,A04,A07,A16 --out corpora/mine`
    """
    from moe_mamba_asv.corpora.minispoof.build import build_minispoof

    with terminal.expected_errors(), terminal.progress_bar() as bar:
        task = bar.add_task(f"building {kind}", total=None)
        summary = build_minispoof(
            out,
            speech=speech,
            limit=limit,
            attacks=attacks.split(",") if attacks else None,
            everywhere=everywhere,
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
                "skipped": summary.skipped,
            }
        )
    else:
        for partition, counts in summary.counts.items():
            typer.echo(f"{partition}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
        typer.echo(f"{summary.built} files written, {summary.reused} kept, in {summary.out}")
        for failure in summary.failed:
            typer.echo(f"left out {failure.path}: {failure.reason}", err=True)
        for name, install in summary.skipped.items():
            typer.echo(f"{name} skipped; to have it: {install}", err=True)
    if summary.failed:
        raise typer.Exit(terminal.SOME_FAILED)


def attacks(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """List the attacks that a build can make, and the commands that install the engines they need.

    Example: `mma corpus attacks`
    """
    from moe_mamba_asv.corpora.minispoof.attacks.catalogue import ATTACKS, TRAIN_ATTACKS

    rows = [
        {
            **asdict(attack.facts),
            "installed": attack.installed,
            "engines": [{"name": one.name, "licence": one.licence, "install": one.install} for one in attack.engines],
        }
        for attack in ATTACKS
    ]
    if as_json:
        terminal.print_json(rows)
        return
    table = Table("attack", "in", "kind", "system", "waveform", "engine", "installed")
    for attack in ATTACKS:
        facts = attack.facts
        engines = "\n".join(f"{one.name} ({one.licence}): {one.install}" for one in attack.engines)
        place = "train, dev" if attack in TRAIN_ATTACKS else "eval, known" if facts.known else "eval"
        table.add_row(
            facts.id, place, facts.kind, facts.system, facts.waveform, engines, "yes" if attack.installed else "no"
        )
    terminal.console.print(table)


def register(app: typer.Typer) -> None:
    """Add `build` and `attacks` to a group of commands."""
    app.command("build")(build)
    app.command("attacks")(attacks)
