"""`mma evaluate`: a score file and the labels of its corpus become figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moe_mamba_asv.cli.evaluate_tables import asked_breakdown, write_table
from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json, stderr

if TYPE_CHECKING:
    from rich.table import Table

    from moe_mamba_asv.evaluation.asv import AsvScores
    from moe_mamba_asv.evaluation.result import Evaluation, GroupResult, WhatIf

_EXAMPLE = """\
Judge a score file: EER, min t-DCF in both forms, per attack, known and unknown, with 95 % intervals.

Example: `mma evaluate scores.tsv --corpus asvspoof2019-la --root LA --out result.json`

The official table, also for a paper: `--table 2021-la --write table.tex`; by any columns: `--by attack --by codec`

What would all attacks together come to if A18 had an EER of 5 %: `--what-if A18=0.05`

Exit code 0: everything was judged; 1: the score file lists failed utterances, which are in no figure; 2: wrong use.
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("evaluate", help=_EXAMPLE)(evaluate_command)


def evaluate_command(
    scores: Annotated[Path, typer.Argument(help="Score file: the project's own, ASVspoof 2019, 2021 or 5 form.")],
    corpus: Annotated[str, typer.Option(help="Corpus reader, e.g. asvspoof2019-la.")],
    root: Annotated[Path | None, typer.Option(help="The corpus's tree.")] = None,
    protocol: Annotated[Path | None, typer.Option(help="Its protocol or key file alone, without the sound.")] = None,
    partition: Annotated[Literal["train", "dev", "eval"], typer.Option(help="What to judge.")] = "eval",
    subset: Annotated[Literal["eval", "progress", "hidden", "all"], typer.Option(help="Of ASVspoof 2021.")] = "eval",
    asv_scores: Annotated[Path | None, typer.Option(help="ASV scores of the partition, for t-DCF.")] = None,
    system: Annotated[str, typer.Option(help="Name of the system  [default: what the score file says].")] = "",
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates of the EER intervals; 0 for none.")] = 1000,
    cluster: Annotated[
        str | None, typer.Option(help="Draw speakers (or another column) for the intervals, in place of trials.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    if_attack: Annotated[
        list[str] | None, typer.Option("--what-if", metavar="ATTACK=EER", help="Pooled figures if it were so. Repeat.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="A table by attack, kind, codec, speaker or another column; two are crossed."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--table", help="2019-la, 2021-la, 2021-df or asvspoof5-track1: the official table.")
    ] = None,
    write: Annotated[
        list[Path] | None, typer.Option(help="Write the table here: .csv, .json, .md or .tex. Repeat for more.")
    ] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Judge a part of the partition.")] = False,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Drop scores from outside it.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the figures here as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Figures as JSON on stdout (fractions).")] = False,
) -> None:
    """Judge a score file."""
    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.evaluation.evaluate import evaluate
    from moe_mamba_asv.evaluation.join import join
    from moe_mamba_asv.evaluation.tables import to_markdown
    from moe_mamba_asv.scores import read_scores, write_atomically
    from moe_mamba_asv.types import Partition

    with expected_errors():
        scored = read_scores(scores)
        phase = None if subset == "all" else subset
        labels = read_corpus(corpus, root=root, protocol=protocol, partition=Partition(partition), subset=phase)
        trials = join(scored, labels, allow_missing=allow_missing, allow_extra=allow_extra)
        asv = asked_or_found_asv_scores(asv_scores, root, corpus, partition)
        name = system or trials.system or scores.stem
        wanted = _wanted_eers(if_attack or [])
        evaluation = evaluate(
            trials, asv=asv, n_bootstrap=bootstrap, seed=seed, system=name, wanted_eers=wanted, cluster=cluster
        )
        table = asked_breakdown(trials, by or [], preset, asv=asv, n_bootstrap=bootstrap, seed=seed)
        for file in write or []:
            write_table(evaluation if table is None else table, file)
        if out:
            write_atomically(
                out, json.dumps(evaluation.to_json(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
            )
    _shout(evaluation)
    if as_json:
        print_json({**evaluation.to_json(), **({"table": table.model_dump(mode="json")} if table else {})})
    else:
        _show(evaluation)
        if table:
            console.print(to_markdown(table), markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(SOME_FAILED if evaluation.failed else DONE)


def asked_or_found_asv_scores(file: Path | None, root: Path | None, corpus: str, partition: str) -> AsvScores | None:
    """The ASV scores that were asked for, or those in the corpus's tree."""
    from moe_mamba_asv.evaluation.asv import find_asv_scores, read_asv_scores

    if file is None and root is not None:
        file = find_asv_scores(root, corpus, partition)
        if file is not None:
            stderr.print(f"ASV scores found in the corpus: {file}", markup=False, highlight=False, soft_wrap=True)
    return read_asv_scores(file) if file else None


def _wanted_eers(asked: list[str]) -> dict[str, float]:
    from moe_mamba_asv.errors import ConfigError

    wanted = {}
    for text in asked:
        name, _, value = text.partition("=")
        try:
            wanted[name] = float(value)
        except ValueError as error:
            raise ConfigError(f"--what-if {text}", wanted="ATTACK=EER as a fraction, such as A18=0.05") from error
    return wanted


def _shout(evaluation: Evaluation) -> None:
    """Warnings on stderr, where they are seen whatever becomes of stdout."""
    from rich.text import Text

    for warning in evaluation.warnings:
        stderr.print(Text(f"warning: {warning}", style="bold red"), soft_wrap=True)


def _show(evaluation: Evaluation) -> None:
    """Tables and notes for a person: percent."""
    from rich.text import Text

    console.print(_whole_table(evaluation))
    if evaluation.attacks:
        console.print(_attack_table(evaluation))
    if evaluation.what_if:
        console.print(_what_if_table(evaluation.what_if))
    for note in evaluation.notes:
        console.print(Text(f"note: {note}", style="dim"), soft_wrap=True)


def _whole_table(evaluation: Evaluation) -> Table:
    from rich.markup import escape
    from rich.table import Table

    where = " ".join(filter(None, (evaluation.corpus, evaluation.partition)))
    table = Table(title=escape(f"{evaluation.system}: {where}"), title_justify="left", show_header=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("interval")
    table.add_row("EER", f"[bold]{100 * evaluation.eer:.4f} %[/]", _interval(evaluation.eer_ci, evaluation.confidence))
    table.add_row("threshold of the EER", f"{evaluation.threshold:.6g}", "accept above it")
    if evaluation.asv:
        asv = evaluation.asv
        table.add_row("min t-DCF, 2019 legacy", f"{evaluation.min_tdcf_2019:.5f}", _costs(evaluation.min_tdcf_2019_ci))
        table.add_row("min t-DCF, 2021 revised", f"{evaluation.min_tdcf_2021:.5f}", _costs(evaluation.min_tdcf_2021_ci))
        table.add_row("EER of the ASV system", f"{100 * asv.eer:.4f} %", f"threshold {asv.threshold:.6g}")
    table.add_row("bona fide trials", f"{evaluation.counts.bonafide:,}", "")
    table.add_row("spoofed trials", f"{evaluation.counts.spoof:,}", "")
    if evaluation.failed:
        table.add_row("[bold red]failed, in no figure[/]", f"[bold red]{evaluation.failed:,}[/]", "")
    return table


def _attack_table(evaluation: Evaluation) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Spoofed trials by attack", title_justify="left")
    headings = ("attack", "in training", "trials", "EER", f"{evaluation.confidence:.0%} interval")
    for heading in (*headings, "of errors"):
        table.add_column(heading, justify="left" if heading in ("attack", "in training") else "right", no_wrap=True)
    said = {True: "known", False: "unknown", None: "?"}
    for name, attack in evaluation.attacks.items():
        share = evaluation.shares_of_errors.get(name)
        table.add_row(
            escape(name), said[attack.known], *_cells(attack), f"{share.share_of_errors:.1%}" if share else "–"
        )
    table.caption = "of errors: of the spoofed trials accepted at the threshold of the EER"
    table.add_section()
    for name, group in (("all known", evaluation.known), ("all unknown", evaluation.unknown)):
        if group:
            table.add_row(name, "", *_cells(group))
    return table


def _what_if_table(what_if: WhatIf) -> Table:
    from rich.markup import escape
    from rich.table import Table

    asked = ", ".join(f"{name} {_percent(eer)}" for name, eer in what_if.attacks.items())
    table = Table("figure", "now", "then", title=escape(f"If it were so: {asked}"), title_justify="left")
    table.add_row("EER", _percent(what_if.now.eer), _percent(what_if.then.eer))
    for label, now, then in (
        ("min t-DCF, 2019 legacy", what_if.now.min_tdcf_2019, what_if.then.min_tdcf_2019),
        ("min t-DCF, 2021 revised", what_if.now.min_tdcf_2021, what_if.then.min_tdcf_2021),
    ):
        if now is not None and then is not None:
            table.add_row(label, f"{now:.5f}", f"{then:.5f}")
    return table


def _cells(group: GroupResult) -> tuple[str, str, str]:
    return f"{group.n:,}", _percent(group.eer), _interval(group.eer_ci)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3f} %"


def _costs(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} … {ends[1]:.4f}"


def _interval(ends: tuple[float, float] | None, confidence: float | None = None) -> str:
    if ends is None:
        return "–"
    label = f" ({confidence:.0%} interval)" if confidence else ""
    return f"{100 * ends[0]:.2f} … {100 * ends[1]:.2f} %{label}"
