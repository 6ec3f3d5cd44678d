"""`mma report`: score files and the labels of their corpus become pages that a person reads."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moe_mamba_asv import __version__
from moe_mamba_asv.cli.evaluate import asked_or_found_asv_scores
from moe_mamba_asv.cli.report_check import check_file
from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json, stderr, typed_command

if TYPE_CHECKING:
    from moe_mamba_asv.reports.model import Report

_EXAMPLE = """\
Write a self-contained report, in English and Chinese, as HTML and Markdown, from runs or score files, in the order of
their history. Of a run folder it reads eval.tsv (its scores), dev.tsv, the records of training and diagnosis.json.

Examples:

    mma report scores.tsv --corpus asvspoof2019-la --root LA --out report

    mma report phase3 phase4 phase5 --baseline aasist --corpus asvspoof2019-la --root LA --out report

    mma report --check somebody-elses-report.md

With --check: read a report that a person wrote, and recompute every ratio, difference and percent change that stands
beside its operands; list those that do not hold.

Exit code 0: everything was judged, or every figure holds; 1: a score file lists failed utterances, which are in no
number, or a figure does not hold; 2: wrong use.
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("report", help=_EXAMPLE)(report_command)


def report_command(
    context: typer.Context,
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN|SCORES", help="Run folders or score files, one a system.")
    ] = None,
    corpus: Annotated[str | None, typer.Option(help="Corpus reader, e.g. asvspoof2019-la.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; made where it is absent.")] = None,
    root: Annotated[Path | None, typer.Option(help="The corpus's tree.")] = None,
    protocol: Annotated[Path | None, typer.Option(help="Its protocol or key file alone, without the sound.")] = None,
    partition: Annotated[Literal["train", "dev", "eval"], typer.Option(help="What to judge.")] = "eval",
    subset: Annotated[Literal["eval", "progress", "hidden", "all"], typer.Option(help="Of ASVspoof 2021.")] = "eval",
    asv_scores: Annotated[Path | None, typer.Option(help="ASV scores of the partition, for t-DCF.")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Name of one of the systems, or a published one, e.g. aasist.")
    ] = None,
    lang: Annotated[Literal["en", "zh", "both"], typer.Option(help="Language of the pages.")] = "both",
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates of the EER intervals; 0 for none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Judge a part of the partition.")] = False,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Drop scores from outside it.")] = False,
    check: Annotated[Path | None, typer.Option(help="A report to check in place of writing one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Files and figures as JSON on stdout (fractions).")] = False,
) -> None:
    """Write a report, or check one; see `_EXAMPLE`."""
    if check is not None:
        if runs or corpus or out:
            raise typer.BadParameter("reads one file and writes none", param_hint="--check")
        check_file(check, as_json)
        return
    if not runs or corpus is None or out is None:
        raise typer.BadParameter("wanted: runs or score files, --corpus and --out; or --check FILE alone")
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.reports.build import build_report
    from moe_mamba_asv.reports.judging import Judging, Making
    from moe_mamba_asv.reports.locale import LANGUAGES
    from moe_mamba_asv.reports.subjects import find_subjects
    from moe_mamba_asv.reports.write import write_report
    from moe_mamba_asv.types import Partition

    with expected_errors():
        phase = None if subset == "all" else subset
        subjects = find_subjects(runs, partition)
        labels = read_corpus(corpus, root=root, protocol=protocol, partition=Partition(partition), subset=phase)
        dev = None
        if root is not None and any(subject.dev_scores for subject in subjects):
            dev = read_corpus(corpus, root=root, partition=Partition.DEV, subset=phase)
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        report = build_report(
            subjects,
            labels,
            Making(command=typed_command(context), created=today, version=__version__),
            Judging(
                asv=asked_or_found_asv_scores(asv_scores, root, corpus, partition),
                num_bootstrap=bootstrap,
                seed=seed,
                allow_missing=allow_missing,
                allow_extra=allow_extra,
            ),
            dev=dev,
            baseline=baseline,
        )
        files = write_report(report, out, LANGUAGES if lang == "both" else (lang,))
    _tell(report, files, as_json)
    raise typer.Exit(SOME_FAILED if any(system.evaluation.failed for system in report.systems) else DONE)


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
