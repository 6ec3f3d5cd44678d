"""`mma calibrate`: scores of dev and their labels become a map from scores to log-likelihood ratios."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json, stderr

if TYPE_CHECKING:
    from rich.table import Table

    from moe_mamba_asv.evaluation.calibration.calibration import Calibration

_HELP = """\
Learn what a score means: a map to log-likelihood ratios, from scores of dev. Eval is refused.

Example: `mma calibrate dev.tsv --corpus asvspoof2019-la --root LA --out runs/aasist/best.calibration.json`

Beside `best.safetensors` the file is found as `best.calibration.json`, or as `calibration.json` for a whole folder.

Exit code 0: learned; 1: learned, but the score file lists failed utterances, which were left out; 2: wrong use.
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("calibrate", help=_HELP)(calibrate_command)


def calibrate_command(
    dev_scores: Annotated[Path, typer.Argument(help="Score file of dev, in any form that `mma evaluate` reads.")],
    corpus: Annotated[str, typer.Option(help="Corpus reader, e.g. asvspoof2019-la.")],
    out: Annotated[Path, typer.Option(help="Write the calibration here, as JSON.")],
    root: Annotated[Path | None, typer.Option(help="The corpus's tree.")] = None,
    protocol: Annotated[Path | None, typer.Option(help="Its protocol file alone, without the sound.")] = None,
    partition: Annotated[Literal["train", "dev", "eval"], typer.Option(help="What the scores are of.")] = "dev",
    kind: Annotated[
        Literal["logistic", "isotonic"], typer.Option(help="A straight line, or any rising map; that needs thousands.")
    ] = "logistic",
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Learn from a part of the partition.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The calibration as JSON on stdout too.")] = False,
) -> None:
    """Learn a calibration; see `_HELP`."""
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.evaluation.calibration.calibration import learn_calibration, write_calibration
    from moe_mamba_asv.evaluation.join import join
    from moe_mamba_asv.scores import read_scores
    from moe_mamba_asv.types import Partition

    with expected_errors():
        scored = read_scores(dev_scores)
        labels = read_corpus(corpus, root=root, protocol=protocol, partition=Partition(partition))
        trials = join(scored, labels, allow_missing=allow_missing)
        digest = scored.header.get("model_sha256", "")
        calibration = learn_calibration(trials, kind=kind, model_sha256=digest)
        write_calibration(calibration, out)
    for warning in trials.warnings:
        stderr.print(f"warning: {warning}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json(calibration.model_dump(mode="json"))
    else:
        console.print(_table(calibration))
        console.print(f"→ {out}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(SOME_FAILED if calibration.failed else DONE)


def _table(calibration: Calibration) -> Table:
    from rich.markup import escape
    from rich.table import Table

    from moe_mamba_asv.evaluation.calibration.maps import IsotonicMap, LogisticMap

    title = f"{calibration.system or 'scores'}: {calibration.kind} calibration on {calibration.corpus}"
    table = Table(title=escape(f"{title} {calibration.partition}"), title_justify="left", show_header=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    match calibration.parameters:
        case LogisticMap(slope=slope, offset=offset):
            table.add_row("log-likelihood ratio of a score of 0", f"{offset:.4g}")
            table.add_row("for each unit of score", f"{slope:+.4g}")
        case IsotonicMap(llrs=llrs):
            table.add_row("log-likelihood ratios", f"{llrs[0]:.3g} … {llrs[-1]:.3g}, {len(llrs)} nodes")
    table.add_row("Cllr of the scores as they are", f"{calibration.cllr_before:.4f} bit")
    table.add_row("Cllr calibrated, on the same trials", f"{calibration.cllr_after:.4f} bit")
    table.add_row("least that any rising map leaves", f"{calibration.min_cllr:.4f} bit")
    table.add_row("EER, which no calibration changes", f"{calibration.eer:.3%}")
    table.add_row("bona fide trials", f"{calibration.bonafide:,}")
    table.add_row("spoofed trials", f"{calibration.spoof:,}")
    return table
