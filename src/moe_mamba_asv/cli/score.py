"""`mma score`: give each file a score."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moe_mamba_asv.cli.terminal import SOME_FAILED, console, expected_errors, print_json, progress_bar, stderr

if TYPE_CHECKING:
    import polars as pl

    from moe_mamba_asv.scores import ScoreTable
    from moe_mamba_asv.scoring.inputs import Input

_HELP = """Score audio: higher = bona fide.

Examples:

    mma score call.m4a interviews/ --model demo/run --out scores.tsv

    mma score --corpus asvspoof2019-la --root /data/LA --partition eval --model AASIST.pth --out scores.tsv

A file that cannot be scored is listed with its reason, in the output and on stderr, and the exit code is 1.
Interrupted? The same command goes on where it stopped.
"""


def score(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="FILES|FOLDERS", help="Audio to score.")] = None,
    model: Annotated[
        str, typer.Option(metavar="FILE|RUN", help="Model file, official AASIST .pth, or run folder.")
    ] = ...,  # pyright: ignore[reportArgumentType]
    corpus: Annotated[str | None, typer.Option(help="Score a corpus of this kind; see `mma corpus list`.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus.")] = None,
    partition: Annotated[str, typer.Option(help="train, dev or eval.")] = "eval",
    out: Annotated[Path | None, typer.Option(help="Score file to write.")] = None,
    form: Annotated[str, typer.Option(help="mma, asvspoof2019, asvspoof2021 or asvspoof5.")] = "mma",
    batch_size: Annotated[int, typer.Option(min=1, help="Clips a forward pass.")] = 8,
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda, mps …")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score audio; see `_HELP`."""
    with expected_errors():
        inputs, trials = _inputs(paths, corpus, root, partition)
        table = _score(inputs, model, batch_size, device, out)
        if out is not None:
            _write(out, table, trials, form)
    _tell(table, out, as_json)
    if len(table.failed):
        raise typer.Exit(SOME_FAILED)


def _inputs(
    paths: list[Path] | None, corpus: str | None, root: Path | None, partition: str
) -> "tuple[list[Input], pl.DataFrame | None]":
    """What to score, and the labels where a corpus has them."""
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.scoring.inputs import inputs_from_corpus, inputs_from_paths

    if bool(paths) == bool(corpus):
        raise typer.BadParameter("give either files and folders, or --corpus with --root")
    if not corpus:
        return inputs_from_paths(paths or []), None
    if root is None:
        raise typer.BadParameter("--corpus needs --root, the folder that holds it")
    found = read_corpus(corpus, root=root, partition=partition)
    return inputs_from_corpus(found), found.table.select("utterance", "attack", "label")


def _score(inputs: "list[Input]", model: str, batch_size: int, device: str, out: Path | None) -> "ScoreTable":
    from moe_mamba_asv.models.hub import find_model
    from moe_mamba_asv.scoring.allocator import keep_freed_blocks
    from moe_mamba_asv.scoring.files import score_files
    from moe_mamba_asv.scoring.predictor import Predictor

    keep_freed_blocks()
    predictor = Predictor(find_model(model), device=device)
    journal = out.with_name(out.name + ".partial") if out is not None else None
    with progress_bar() as progress:
        task = progress.add_task("scoring", total=len(inputs))
        try:
            return score_files(
                inputs,
                predictor,
                batch_size=batch_size,
                journal=journal,
                on_progress=lambda done: progress.update(task, completed=done),
            )
        except KeyboardInterrupt:
            if journal is not None:
                stderr.print("stopped; the same command goes on from here")
            raise


def _write(out: Path, table: "ScoreTable", trials: "pl.DataFrame | None", form: str) -> None:
    from dataclasses import replace

    from moe_mamba_asv.scores import write_scores

    write_scores(out, replace(table, trials=trials), form)  # pyright: ignore[reportArgumentType]
    out.with_name(out.name + ".partial").unlink(missing_ok=True)


def _tell(table: "ScoreTable", out: Path | None, as_json: bool) -> None:
    for utterance, _, reason in table.failed.iter_rows():
        stderr.print(f"[bold red]not scored:[/] {utterance}: {reason}", highlight=False, soft_wrap=True)
    if as_json:
        rows = json.loads(table.frame.write_json())
        print_json({"header": table.header, "out": str(out) if out else None, "scores": rows})
        return
    if out is None:
        for utterance, value, _ in table.scored.iter_rows():
            console.print(f"{utterance}\t{value:.6g}", highlight=False, soft_wrap=True)
    place = f" in {out}" if out else ""
    stderr.print(f"{len(table.scored):,} scored, {len(table.failed):,} not{place}; higher = bona fide")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score", help=_HELP)(score)
