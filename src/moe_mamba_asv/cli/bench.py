"""`mma bench`: speed, memory and exactness, measured here and now."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from moe_mamba_asv.cli.bench_metrics import metrics
from moe_mamba_asv.cli.bench_scoring import scoring
from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar

if TYPE_CHECKING:
    from moe_mamba_asv.bench.problem import Size
    from moe_mamba_asv.bench.scan import Row, ScanPlan

bench = typer.Typer(no_args_is_help=True, help="Measure speed, memory and exactness. Example: `mma bench scan`.")

_SCAN_HELP = """Measure our selective scans beside the published ones that are installed.

Examples:

    mma bench scan --threads 2

    mma bench scan --size 8,200,288,16 --implementation native --implementation "mambapy parallel" --json

Everyone gets the same inputs in one run; compare ratios, not milliseconds of different runs.
"""

_LEGEND = (
    "A size is (batch, length, channels, states). MiB: extra memory at the peak. × ref, × best: how many times faster, "
    "or smaller, than mamba-ssm's reference and than the fastest, or smallest, published package of the same table. "
    "Error: the largest deviation from float64, relative to the largest value of the same tensor."
)


@bench.command(help=_SCAN_HELP)
def scan(
    sizes: Annotated[
        list[str] | None,
        typer.Option("--size", metavar="B,L,D,N", help="Batch, length, channels, states; may be repeated."),
    ] = None,
    implementations: Annotated[
        list[str] | None, typer.Option("--implementation", help="Only this one; may be repeated.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of an operation; else PyTorch's own.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs; the median counts.")] = 5,
    budget_s: Annotated[float, typer.Option(min=0, help="Seconds for one implementation at one size and mode.")] = 60,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where to run.")] = "cpu",
    allocator: Annotated[
        Literal["stock", "kept", "both"], typer.Option(help="Memory allocator; kept: it keeps freed blocks (glibc).")
    ] = "stock",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure the scans; see `_SCAN_HELP`."""
    from moe_mamba_asv.bench.contenders import contenders
    from moe_mamba_asv.bench.scan import DEFAULT_SIZES, ScanPlan

    with expected_errors():
        plan = ScanPlan(
            contenders(device, implementations),
            tuple(map(_parse_size, sizes)) if sizes else DEFAULT_SIZES,
            ("stock", "kept") if allocator == "both" else (allocator,),
            repeats,
            budget_s,
            threads,
            device,
        )
        rows = _run(plan)
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        _print_tables(plan, rows)


def _parse_size(text: str) -> "Size":
    from moe_mamba_asv.bench.problem import Size

    try:
        size = Size(*map(int, text.split(",")))
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(f"--size {text}: four whole numbers are wanted, e.g. 8,200,288,16") from error
    if min(size) < 1:
        raise typer.BadParameter(f"--size {text}: at least one of each")
    return size


def _run(plan: "ScanPlan") -> "list[Row]":
    from moe_mamba_asv.bench.scan import bench_scan

    with progress_bar() as progress:
        task = progress.add_task("measuring", total=plan.num_rows)
        return bench_scan(plan, on_row=lambda row: progress.update(task, advance=1, description=row.implementation))


def _print_tables(plan: "ScanPlan", rows: "list[Row]") -> None:
    """One table for what may be compared: beside each figure, how many times faster or smaller that is."""
    from moe_mamba_asv.bench.scan import beside_each_other, compare

    published = {contender.name for contender in plan.contenders if contender.published}
    for (size, mode, allocator), beside in beside_each_other(rows).items():
        table = Table(title=f"{mode} {tuple(size)}, {allocator} allocator", box=SIMPLE_HEAD, title_justify="left")
        table.add_column("implementation", no_wrap=True)
        for heading in ("ms", "× ref", "× best", "MiB", "× ref", "× best"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("error, or note")
        for row in beside:
            ratios = compare(row, beside, published)
            numbers = (
                *(row.ms, ratios.faster_than_reference, ratios.faster_than_published),
                *(row.peak_mib, ratios.smaller_than_reference, ratios.smaller_than_published),
            )
            error = "" if row.max_rel_error is None else f"{row.max_rel_error:.0e}"
            table.add_row(row.implementation, *map(_three_digits, numbers), row.note or error)
        console.print(table)
    console.print(_LEGEND, highlight=False)


def _three_digits(value: float | None) -> str:
    """Round to three digits, or to a whole number where that has more."""
    if value is None:
        return "–"
    for limit, decimals in ((10, 2), (100, 1)):
        if value < limit:
            return f"{value:.{decimals}f}"
    return f"{value:,.0f}"


@bench.command()
def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (`mma recipes`) or a YAML file.")],
    corpus: Annotated[str, typer.Option(help="Kind of corpus; see `mma corpus list`.")],
    root: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps to time, after one more.")] = 20,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded clips.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode.")] = 0,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure how fast a recipe trains here, and which share of the time it waits for data.

    Example: `mma bench train lcnn-small --corpus minispoof --root demo/corpus --cache demo/cache`.
    """
    with expected_errors():
        require("torch")
        from moe_mamba_asv.bench.train import bench_train
        from moe_mamba_asv.corpora.read import read_corpus
        from moe_mamba_asv.training.recipe import load_recipe
        from moe_mamba_asv.training.run import Run
        from moe_mamba_asv.types import Partition

        parts = ((read_corpus(corpus, root=root, partition=part),) for part in (Partition.TRAIN, Partition.DEV))
        options = {"cache": cache, "workers": workers, "accelerator": accelerator}
        run = Run(load_recipe(recipe, overrides), *parts, out=Path("unused"), **options)
        with progress_bar() as progress:
            task = progress.add_task("training", total=steps + 1)
            found = bench_train(run, steps, on_step=lambda step: progress.update(task, completed=step))
    if as_json:
        print_json(asdict(found))
        return
    peak = "" if found.peak_mib is None else f", peak memory {found.peak_mib:,.0f} MiB"
    console.print(
        f"{found.steps} steps: {found.steps_per_s:.3g} steps/s, {found.clips_per_s:.3g} clips/s, "
        f"waiting for data {found.waiting:.1%}{peak}",
        highlight=False,
        soft_wrap=True,
    )


@bench.command("scan-training")
def scan_training(
    steps: Annotated[int, typer.Option(min=1, help="Training steps with each of our scans.")] = 100,
    reference_steps: Annotated[int, typer.Option(min=1, help="Steps with mamba-ssm's reference.")] = 2,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of an operation; else PyTorch's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Train a BiMamba of four blocks (batch 12, 201 frames, width 144) on the CPU, by each scan.

    Example: `mma bench scan-training --steps 20`.
    """
    from moe_mamba_asv.bench.scan_training import OURS, ScanTrainingPlan, bench_scan_training

    with expected_errors(), progress_bar() as progress:
        task = progress.add_task("training", total=len(OURS) + 1)
        plan = ScanTrainingPlan(steps, reference_steps, threads)
        rows = bench_scan_training(plan, on_row=lambda row: progress.update(task, advance=1))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = Table("scan", "steps", "s", "ms a step", "last loss", "note", box=SIMPLE_HEAD)
    for row in rows:
        loss = "" if row.last_loss is None else f"{row.last_loss:.5f}"
        numbers = map(_three_digits, (row.seconds, row.ms_per_step))
        table.add_row(row.implementation, str(row.steps), *numbers, loss, row.note)
    console.print(table)


@bench.command()
def augment(
    samples: Annotated[int, typer.Option(min=1, help="Of a clip, at 16 kHz.")] = 64_600,
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs of each; the median counts.")] = 20,
    batch: Annotated[int, typer.Option(min=1, help="Clips of the batch path.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Measure what RawBoost costs a clip, ours beside the published form, on one thread of the CPU.

    Example: `mma bench augment --repeats 5`.
    """
    from moe_mamba_asv.bench.augment import AugmentPlan, bench_augment, rawboost_transforms

    transforms = rawboost_transforms()
    with expected_errors(), progress_bar() as progress:
        task = progress.add_task("measuring", total=len(transforms))
        plan = AugmentPlan(samples, repeats, batch)
        rows = bench_augment(transforms, plan, on_row=lambda row: progress.update(task, advance=1))
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    table = Table(
        "transform", "ms a clip", "published form", "× faster", "batch, ms a clip", "× faster", box=SIMPLE_HEAD
    )
    for row in rows:
        numbers = row.ms, row.plain_ms, row.ratio, row.batch_ms, row.batch_ratio
        table.add_row(row.name, *map(_three_digits, numbers))
    console.print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    bench.command()(metrics)
    bench.command()(scoring)
    app.add_typer(bench, name="bench")
