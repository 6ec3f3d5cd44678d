"""`mma corpus`: list, check and build corpora."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from moe_mamba_asv.cli import corpus_build, corpus_gallery, corpus_recode
from moe_mamba_asv.cli.terminal import SOME_FAILED, console, expected_errors, print_json, progress_bar

if TYPE_CHECKING:
    from moe_mamba_asv.corpora.shortcuts import ShortcutAudit

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
    shortcuts: Annotated[
        bool, typer.Option("--shortcuts", help="Judge what tells the classes without a voice; decodes every file.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for missing and undecodable files, duplicates, wrong counts, strange attacks and shared speakers.

    Exit code 1 when something makes numbers wrong.

    With --shortcuts also: how well duration, level, peak, silence at the edges, bandwidth, noise floor and codec traces
    alone tell bona fide from spoof, on speakers not seen. Above an AUC of 0.60 that is a warning.

    Example: `mma corpus check asvspoof2019-la --root /data/LA --no-decode`

    Example: `mma corpus check minispoof --root corpora/minispoof --shortcuts`
    """
    import numpy as np

    from moe_mamba_asv.corpora.check import check_corpus
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.corpora.shortcuts import audit_shortcuts

    with expected_errors(), progress_bar() as progress:
        found = read_corpus(kind, root=root, protocol=protocol, subset=None)
        task = progress.add_task("decoding", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        # The audit decodes every file to its end and lists what cannot be: once is enough.
        findings = check_corpus(found, decode_audio=decode and not shortcuts, on_progress=advance)
        audit = audit_shortcuts(found, np.random.default_rng(0), on_progress=advance) if shortcuts else None
        findings += audit.findings() if audit else []
    if as_json:
        answer = {"kind": kind, "utterances": len(found.table), "findings": [asdict(one) for one in findings]}
        if audit:
            answer["shortcuts"] = {"rows": [asdict(row) for row in audit.rows], "not_judged": audit.not_judged}
        print_json(answer)
    else:
        if audit:
            _print_shortcuts(audit)
        console.print(f"{kind}: {len(found.table):,} utterances, {len(findings)} findings", highlight=False)
        for one in findings:
            console.print(f"{one.severity}: {one.message} ({one.count:,})", highlight=False, markup=False)
            for name in one.utterances:
                console.print(f"  {name}", highlight=False, markup=False, soft_wrap=True)
    if any(one.severity == "error" for one in findings):
        raise typer.Exit(SOME_FAILED)


def _print_shortcuts(audit: "ShortcutAudit") -> None:
    for partition in dict.fromkeys(row.partition for row in audit.rows):
        rows = [row for row in audit.rows if row.partition == partition]
        first = rows[0]
        counts = f"{partition}: {first.bonafide:,} bona fide, {first.spoof:,} spoof"
        console.print(f"{counts}; folds by {first.folds_by}, interval by {first.interval_by}", highlight=False)
        table = Table("feature", "AUC", "95 % interval", "worst attack", "verdict")
        for row in rows:
            worst = "-" if row.worst_attack is None else f"{row.worst_attack} {row.worst_attack_auc:.2f}"
            interval = f"{row.low:.2f} to {row.high:.2f}"
            table.add_row(row.feature, f"{row.auc:.2f}", interval, escape(worst), row.verdict)
        console.print(table, highlight=False)
    for text in audit.not_judged:
        console.print(f"not judged: {text}", highlight=False, markup=False)


corpus_build.register(corpus)
corpus_gallery.register(corpus)
corpus_recode.register(corpus)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(corpus, name="corpus")
