"""`mma bench metrics`: what figures and their intervals cost."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from moe_mamba_asv.cli.terminal import console, print_json, progress_bar

if TYPE_CHECKING:
    from moe_mamba_asv.bench.metrics import MetricsRow, TrialCounts

_LEGEND = (
    "Published steps: sort all trials, cumulative sums, argmin, in NumPy; each figure sorts anew. The bootstrap beside "
    "ours draws arrays of trials and sorts once for a group: its time is scaled from {plain_replicates} replicates. "
    "By speaker nothing published is measured. Difference: the largest between our figures and the published ones."
)


def metrics(
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="BONAFIDE,SPOOF", help="Numbers of trials; may be repeated."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of point values; the median counts.")] = 7,
    replicates: Annotated[int, typer.Option(min=1, help="Of a bootstrap.")] = 1000,
    plain_replicates: Annotated[int, typer.Option(min=1, help="Of resampled arrays; scaled.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure EER, both min t-DCF and their bootstrap on made-up scores, beside the published steps.

    Example: `mma bench metrics --size 7355,63882`.
    """
    from moe_mamba_asv.bench.metrics import DEFAULT_SIZES, MetricsPlan, bench_metrics

    wanted = tuple(map(_parse_size, sizes)) if sizes else DEFAULT_SIZES
    plan = MetricsPlan(wanted, repeats, replicates, plain_replicates)
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=4 * len(wanted))
        rows = bench_metrics(plan, on_row=lambda row: progress.update(task, advance=1))
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        _print_table(rows)
        console.print(_LEGEND.format(plain_replicates=plain_replicates), highlight=False)


def _parse_size(text: str) -> "TrialCounts":
    from moe_mamba_asv.bench.metrics import FEWEST, TrialCounts

    try:
        size = TrialCounts(*map(int, text.split(",")))
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(f"--size {text}: two whole numbers are wanted, e.g. 7355,63882") from error
    if size.bonafide < FEWEST.bonafide or size.spoof < FEWEST.spoof:
        raise typer.BadParameter(f"--size {text}: at least {FEWEST.bonafide},{FEWEST.spoof}")
    return size


def _print_table(rows: "list[MetricsRow]") -> None:
    table = Table("work", box=SIMPLE_HEAD)
    for heading in ("trials", "ms", "published steps, ms", "× faster", "difference"):
        table.add_column(heading, justify="right")
    for row in rows:
        plain = "–" if row.plain_ms is None else f"{row.plain_ms:,.1f}"
        ratio = "–" if row.ratio is None else f"{row.ratio:.1f}"
        difference = "–" if row.difference is None else f"{row.difference:.0e}"
        table.add_row(row.work, f"{row.trials:,}", f"{row.ms:,.1f}", plain, ratio, difference)
    console.print(table)
