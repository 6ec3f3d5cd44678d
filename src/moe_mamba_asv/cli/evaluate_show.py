"""What `mma evaluate` says to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from moe_mamba_asv.cli.terminal import console, stderr

if TYPE_CHECKING:
    from rich.table import Table

    from moe_mamba_asv.evaluation.faults.faults import Fault
    from moe_mamba_asv.evaluation.gap.result import Gap
    from moe_mamba_asv.evaluation.result import Evaluation, GroupResult, WhatIf


def shout_faults(faults: Sequence[Fault]) -> None:
    """Faults of a score file, on stderr."""
    from rich.text import Text

    for fault in faults:
        stderr.print(Text(f"{fault.kind}: {fault.message}; try: {fault.remedy}", style="bold red"), soft_wrap=True)


def show_gap(gap: Gap) -> None:
    """From dev to eval, link by link."""
    from rich.table import Table

    table = Table(
        "from dev to eval", "EER before", "EER after", "difference", title="Generalisation gap", title_justify="left"
    )
    rows = [("in all", gap.whole), *((link.name, link) for link in gap.chain)]
    if gap.known_to_unknown is not None:
        rows.append(("on eval, known to unknown attacks", gap.known_to_unknown))
    for name, step in rows:
        interval = "" if step.ci is None else f" [{100 * step.ci[0]:+.2f}, {100 * step.ci[1]:+.2f}]"
        table.add_row(
            name, _percent(step.before.eer), _percent(step.after.eer), f"{100 * step.value:+.2f} points{interval}"
        )
    console.print(table)
    for remark in (*gap.warnings, *gap.not_separated):
        console.print(f"note: {remark}", markup=False, highlight=False, soft_wrap=True)


def shout(evaluation: Evaluation) -> None:
    """Warnings on stderr, where they are seen whatever becomes of stdout."""
    from rich.text import Text

    for warning in evaluation.warnings:
        stderr.print(Text(f"warning: {warning}", style="bold red"), soft_wrap=True)


def show(evaluation: Evaluation) -> None:
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
    for label, value, form in (
        ("AUC", evaluation.auc, "{:.5f}"),
        ("EER on the convex hull", evaluation.eer_of_hull and 100 * evaluation.eer_of_hull, "{:.4f} %"),
        ("min DCF, ASVspoof 5 Track 1", evaluation.min_dcf, "{:.4f}"),
        ("min Cllr, bits", evaluation.min_cllr, "{:.4f}"),
    ):
        if value is not None:
            table.add_row(label, form.format(value), "")
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
