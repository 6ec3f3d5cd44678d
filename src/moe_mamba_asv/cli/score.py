"""`mma score`: give each file a score."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moe_mamba_asv.cli.terminal import SOME_FAILED, console, expected_errors, print_json, progress_bar, stderr

if TYPE_CHECKING:
    import polars as pl

    from moe_mamba_asv.evaluation.calibration.calibration import Calibration
    from moe_mamba_asv.scores import ScoreTable
    from moe_mamba_asv.scoring.inputs import Input

_HELP = """Score audio: higher = bona fide.

Examples:

    mma score call.m4a interviews/ --model demo/run --out scores.tsv

    mma score --corpus asvspoof2019-la --root /data/LA --partition eval --model AASIST.pth --out scores.tsv

With a calibration beside the model (`mma calibrate`), each score also gets its log-likelihood ratio and the probability
of bona fide, here where 1 % of all audio is: `mma score call.m4a --model demo/run --out scores.tsv --prior 0.01`

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
    prior: Annotated[
        float | None, typer.Option(help="Share of bona fide in all audio, for a calibrated model.", show_default="0.5")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips a forward pass.")] = 8,
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda, mps …")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score audio; see `_HELP`."""
    from moe_mamba_asv.evaluation.calibration.table import DEFAULT_PRIOR, calibrate_table
    from moe_mamba_asv.models.hub import find_model

    with expected_errors():
        inputs, trials = _inputs(paths, corpus, root, partition)
        path = find_model(model)
        calibration = _find_calibration(path, prior)
        table = _score(inputs, path, batch_size, device, out)
        if calibration is not None:
            table = calibrate_table(table, calibration, prior=DEFAULT_PRIOR if prior is None else prior)
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


def _score(inputs: "list[Input]", model: Path, batch_size: int, device: str, out: Path | None) -> "ScoreTable":
    from moe_mamba_asv.scoring.allocator import keep_freed_blocks
    from moe_mamba_asv.scoring.files import score_files
    from moe_mamba_asv.scoring.predictor import Predictor

    keep_freed_blocks()
    predictor = Predictor(model, device=device)
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


def _find_calibration(model: Path, prior: float | None) -> "Calibration | None":
    """The calibration beside the model, if there is one that fits; a prior that makes no sense stops here already."""
    from moe_mamba_asv.errors import ConfigError, ScoreError
    from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
    from moe_mamba_asv.evaluation.calibration.maps import logit

    found = None
    try:
        found = calibration_beside(model)
    except ScoreError as error:
        # Dev must be scored without it, or none could be learned anew.
        stderr.print(f"not calibrated: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if prior is not None:
        logit(prior)
        if found is None:
            raise ConfigError(
                f"--prior {prior:g}, but no calibration beside {model.name}",
                wanted=f"{model.stem}.calibration.json or calibration.json in its folder",
                remedy="mma calibrate",
            )
    return found


def _write(out: Path, table: "ScoreTable", trials: "pl.DataFrame | None", form: str) -> None:
    from dataclasses import replace

    from moe_mamba_asv.scores import write_scores

    write_scores(out, replace(table, trials=trials), form)  # pyright: ignore[reportArgumentType]
    out.with_name(out.name + ".partial").unlink(missing_ok=True)


def _tell(table: "ScoreTable", out: Path | None, as_json: bool) -> None:
    for utterance, reason in table.failed.select("utterance", "error").iter_rows():
        stderr.print(f"[bold red]not scored:[/] {utterance}: {reason}", highlight=False, soft_wrap=True)
    if as_json:
        rows = json.loads(table.frame.write_json())
        print_json({"header": table.header, "out": str(out) if out else None, "scores": rows})
        return
    if out is None:
        shown = ("utterance", "score", "probability") if table.is_calibrated else ("utterance", "score")
        for utterance, *values in table.scored.select(shown).iter_rows():
            numbers = "\t".join(f"{value:.6g}" for value in values)
            console.print(f"{utterance}\t{numbers}", highlight=False, soft_wrap=True)
    place = f" in {out}" if out else ""
    stderr.print(f"{len(table.scored):,} scored, {len(table.failed):,} not{place}; higher = bona fide")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score", help=_HELP)(score)
