"""`mma bench scoring`: clips a second, and memory."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.terminal import console, print_json, progress_bar


def scoring(
    batches: Annotated[list[int] | None, typer.Option("--batch", min=1, help="Clips a pass; may be repeated.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each; the median counts.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Of PyTorch.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure how fast AASIST scores as `mma score` runs it, beside the published graph in plain PyTorch.

    Example: `mma bench scoring --batch 1 --batch 8`.
    """
    from moe_mamba_asv.bench.scoring import CONTENDERS, bench_scoring

    require("torch")  # its workers import it, and would end without a word
    wanted = sorted(batches or (1, 4, 8))
    with progress_bar() as progress:
        task = progress.add_task("measuring", total=len(wanted) * len(CONTENDERS) * (repeats + 1))
        found = bench_scoring(wanted, repeats=repeats, threads=threads, on_run=lambda: progress.update(task, advance=1))
    if as_json:
        print_json(asdict(found))
        return
    table = Table("who", box=SIMPLE_HEAD)
    for heading in ("batch", "clips/s", "peak MiB", "difference of a score"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        numbers = f"{row.clips_per_s:.2f}", f"{row.peak_mib:,.0f}", f"{row.difference:.0e}"
        table.add_row(row.contender, str(row.batch), *numbers)
    console.print(table)
    console.print(
        f"best against best: {found.ratio:.2f} × the clips a second, {found.memory_ratio:.2f} × the memory",
        highlight=False,
    )
