"""`mma compare`: two models, and what lies between them."""

from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar

_HELP = """Sweep the line between the weights of two models, and judge each mixture on dev.

After fine-tuning, a mixture with the model that it started from often keeps more of what that one knew.

Example:

    mma compare --interpolate runs/phase4 runs/phase5 --corpus asvspoof2019-la --root /data/LA --out mixed.safetensors
"""


def compare(
    interpolate: Annotated[
        tuple[str, str], typer.Option(metavar="A B", help="Two model files, run folders or hub names.")
    ],
    corpus: Annotated[str, typer.Option(help="Kind of corpus; see `mma corpus list`.")],
    root: Annotated[Path, typer.Option(help="Folder of the corpus, whose dev partition judges.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps from A to B.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Write the mixture with the lowest EER on dev here.")] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips scored at once.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare; see `_HELP`."""
    with expected_errors():
        from moe_mamba_asv.corpora.read import read_corpus
        from moe_mamba_asv.training.interpolation import sweep_shares
        from moe_mamba_asv.types import Partition

        dev = read_corpus(corpus, root=root, partition=Partition.DEV)
        shares = [step / steps for step in range(steps + 1)]
        with progress_bar() as progress:
            task = progress.add_task("scoring dev", total=len(shares))
            points = sweep_shares(
                *interpolate,
                [dev],
                shares,
                out=out,
                batch_size=batch_size,
                report=lambda done: progress.update(task, completed=done),
            )
    if as_json:
        rows = [{"share": point.share, "dev_eer": point.dev_eer, "interval": point.interval} for point in points]
        print_json({"models": interpolate, "clips": len(dev.table), "points": rows, "out": out and str(out)})
        return
    console.print(f"share of {interpolate[1]}: EER on dev [95 % interval], {len(dev.table):,} clips", highlight=False)
    best = min(points, key=lambda point: point.dev_eer)
    for point in points:
        low, high = point.interval
        mark = " ← lowest" if point is best else ""
        console.print(f"{point.share:.2f}: {point.dev_eer:.2%} [{low:.2%}, {high:.2%}]{mark}", highlight=False)
    if out is not None:
        console.print(f"→ {out}", highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare", help=_HELP)(compare)
