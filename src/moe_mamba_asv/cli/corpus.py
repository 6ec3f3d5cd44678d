"""`mma corpus`: list, check and build corpora."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from moe_mamba_asv.cli import corpus_build
from moe_mamba_asv.cli.terminal import SOME_FAILED, console, expected_errors, print_json, progress_bar

corpus = typer.Typer(no_args_is_help=True, help="List, check and build corpora.")

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@corpus.command("list")
def list_kinds(as_json: AsJson = False) -> None:
    """List the kinds of corpora and the layout that each has on disk. Example: `mma corpus list`."""
    from moe_mamba_asv.corpora.kinds import KIND_BY_NAME

    if as_json:
        print_json([asdict(kind) for kind in KIND_BY_NAME.values()])
        return
    table = Table("kind", "what", "layout", "official trials (bona fide / spoof)")
    for kind in KIND_BY_NAME.values():
        counts = "\n".join(f"{count.name} {count.bonafide:,} / {count.spoof:,}" for count in kind.counts)
        layout = "\n".join(kind.layout).replace("[", r"\[")
        table.add_row(kind.name, kind.what, layout, counts)
    console.print(table)


@corpus.command()
def check(
    kind: Annotated[str, typer.Argument(help="Kind of corpus; see `mma corpus list`.")],
    root: Annotated[Path | None, typer.Option(help="Its folder.")] = None,
    protocol: Annotated[Path | None, typer.Option(help="A protocol file; without --root, labels alone.")] = None,
    decode: Annotated[bool, typer.Option(help="Decode every file to its end.")] = True,
    as_json: AsJson = False,
) -> None:
    """Look for missing and undecodable files, duplicates, wrong counts, strange attacks and shared speakers.

    Exit code 1 when something makes numbers wrong.

    Example: `mma corpus check asvspoof2019-la --root /data/LA --no-decode`
    """
    from moe_mamba_asv.corpora.check import check_corpus
    from moe_mamba_asv.corpora.read import read_corpus

    with expected_errors(), progress_bar() as progress:
        found = read_corpus(kind, root=root, protocol=protocol, subset=None)
        task = progress.add_task("decoding", total=None)
        findings = check_corpus(
            found,
            decode_audio=decode,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        print_json({"kind": kind, "utterances": len(found.table), "findings": [asdict(one) for one in findings]})
    else:
        console.print(f"{kind}: {len(found.table):,} utterances, {len(findings)} findings", highlight=False)
        for one in findings:
            console.print(f"{one.severity}: {one.message} ({one.count:,})", highlight=False, markup=False)
            for name in one.utterances:
                console.print(f"  {name}", highlight=False, markup=False, soft_wrap=True)
    if any(one.severity == "error" for one in findings):
        raise typer.Exit(SOME_FAILED)


corpus_build.register(corpus)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(corpus, name="corpus")
