"""`mma report`: score files and the labels of their corpus become pages that a person reads."""

from __future__ import annotations

import datetime
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moe_mamba_asv import __version__
from moe_mamba_asv.cli.evaluate import asked_or_found_asv_scores
from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.reports.model import Report

_EXAMPLE = """\
Write a self-contained report, in English and Chinese, as HTML and Markdown; several score files are several systems.

Example: `mma report scores.tsv --corpus asvspoof2019-la --root LA --out report`

Exit code 0: everything was judged; 1: a score file lists failed utterances, which are in no number; 2: wrong use.
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("report", help=_EXAMPLE)(report_command)


def report_command(
    scores: Annotated[list[Path], typer.Argument(help="Score files, one a system.")],
    corpus: Annotated[str, typer.Option(help="Corpus reader, e.g. asvspoof2019-la.")],
    out: Annotated[Path, typer.Option(help="Folder to write to; made where it is absent.")],
    root: Annotated[Path | None, typer.Option(help="The corpus's tree.")] = None,
    protocol: Annotated[Path | None, typer.Option(help="Its protocol or key file alone, without the sound.")] = None,
    partition: Annotated[Literal["train", "dev", "eval"], typer.Option(help="What to judge.")] = "eval",
    subset: Annotated[Literal["eval", "progress", "hidden", "all"], typer.Option(help="Of ASVspoof 2021.")] = "eval",
    asv_scores: Annotated[Path | None, typer.Option(help="ASV scores of the partition, for t-DCF.")] = None,
    lang: Annotated[Literal["en", "zh", "both"], typer.Option(help="Language of the pages.")] = "both",
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates of the EER intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Judge a part of the partition.")] = False,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Drop scores from outside it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Files and figures as JSON on stdout (fractions).")] = False,
) -> None:
    """Write a report."""
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.reports.build import Making, build_report
    from moe_mamba_asv.reports.locale import LANGUAGES
    from moe_mamba_asv.reports.write import write_report
    from moe_mamba_asv.types import Partition

    with expected_errors():
        phase = None if subset == "all" else subset
        labels = read_corpus(corpus, root=root, protocol=protocol, partition=Partition(partition), subset=phase)
        options = {"--corpus": corpus, "--root": root, "--protocol": protocol, "--partition": partition}
        options |= {"--subset": None if subset == "eval" else subset, "--asv-scores": asv_scores}
        options |= {"--bootstrap": bootstrap, "--seed": seed}
        options |= {"--allow-missing": allow_missing, "--allow-extra": allow_extra}
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        report = build_report(
            scores,
            labels,
            Making(command=_command(scores, options), created=today, version=__version__),
            asv=asked_or_found_asv_scores(asv_scores, root, corpus, partition),
            num_bootstrap=bootstrap,
            seed=seed,
            allow_missing=allow_missing,
            allow_extra=allow_extra,
        )
        files = write_report(report, out, LANGUAGES if lang == "both" else (lang,))
    _tell(report, files, as_json)
    raise typer.Exit(SOME_FAILED if any(system.evaluation.failed for system in report.systems) else DONE)


def _command(scores: list[Path], options: dict[str, object]) -> str:
    """What was typed, without the folders of this machine, which nobody else has."""
    words = ["mma", "report", *(path.name for path in scores)]
    for option, value in options.items():
        if value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, value.resolve().name if isinstance(value, Path) else str(value)]
    return shlex.join(words)


def _tell(report: Report, files: list[Path], as_json: bool) -> None:
    """Warnings on stderr; files and figures on stdout."""
    from rich.text import Text

    evaluations = [system.evaluation for system in report.systems]
    for evaluation in evaluations:
        for warning in evaluation.warnings:
            stderr.print(Text(f"warning: {evaluation.system}: {warning}", style="bold red"), soft_wrap=True)
    if as_json:
        figures = [evaluation.to_json() for evaluation in evaluations]
        print_json({"files": [str(file) for file in files], "systems": figures})
        return
    for evaluation in evaluations:
        console.print(Text(f"{evaluation.system}: EER {evaluation.eer:.2%}"), soft_wrap=True)
    for file in files:
        console.print(Text(str(file)), soft_wrap=True)
