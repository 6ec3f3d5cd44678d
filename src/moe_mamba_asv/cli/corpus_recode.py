"""`mma corpus recode`: what a corpus sounds like after a codec."""

from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli import terminal


def recode(
    kind: Annotated[str, typer.Argument(help="Kind of corpus; see `mma corpus list`.")],
    root: Annotated[Path, typer.Option(help="Its folder.")],
    out: Annotated[Path, typer.Option(help="A new folder, or one that the same command began.")],
    partition: Annotated[str, typer.Option(help="train, dev or eval.")] = "eval",
    conditions: Annotated[
        str | None, typer.Option(help="Such as df:low_mp3,la:pstn; without it, all of ASVspoof 2021 that code.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of which clip meets which condition, and of all draws.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write each clip of a partition after one channel of ASVspoof 2021, drawn for it.

    The copy has a manifest.csv with the same utterances, and the column codec. Exit code 1: some clips were left out.

    Example: `mma corpus recode minispoof --root corpora/minispoof --out corpora/coded`

    Then `mma score --corpus manifest --root corpora/coded/manifest.csv …`, and `mma evaluate … --by codec`.
    """
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.corpora.recode import ALL_CONDITIONS, recode_corpus

    with terminal.expected_errors(), terminal.progress_bar() as bar:
        corpus = read_corpus(kind, root=root, partition=partition)
        task = bar.add_task("coding", total=len(corpus.table))
        failed = recode_corpus(
            corpus,
            out,
            conditions=conditions.split(",") if conditions else ALL_CONDITIONS,
            seed=seed,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    written = len(corpus.table) - len(failed)
    if as_json:
        terminal.print_json({"out": str(out), "written": written, "failed": dict(failed)})
    else:
        typer.echo(f"{written} clips in {out}")
        for utterance, reason in failed:
            typer.echo(f"left out {utterance}: {reason}", err=True)
    if failed:
        raise typer.Exit(terminal.SOME_FAILED)


def register(app: typer.Typer) -> None:
    """Add `recode` to a group of commands."""
    app.command("recode")(recode)
