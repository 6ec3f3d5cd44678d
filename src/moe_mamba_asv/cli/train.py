"""`mma train`: learn a detector."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.training.run import Run

_HELP = """Train a detector by a recipe; the dev partition chooses the weights, eval is never opened.

Examples:

    mma train lcnn-small --corpus minispoof --root demo/corpus --out demo/run

    mma train aasist --corpus asvspoof2019-la --root /data/LA --out runs/aasist --set training.batch_size=12

Interrupted? The same command with `--resume` goes on and ends with the same weights.
"""


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (`mma recipes`) or a YAML file.")],
    corpus: Annotated[str, typer.Option(help="Kind of corpus; see `mma corpus list`.")],
    root: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    max_steps: Annotated[int | None, typer.Option(min=1, help="End after so many steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")] = False,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode; they change no number.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train; see `_HELP`."""
    with expected_errors():
        from moe_mamba_asv.corpora.read import read_corpus
        from moe_mamba_asv.training.recipe import load_recipe
        from moe_mamba_asv.training.run import Run
        from moe_mamba_asv.types import Partition

        resolved = load_recipe(recipe, overrides)
        parts = (read_corpus(corpus, root=root, partition=part) for part in (Partition.TRAIN, Partition.DEV))
        asked = Run(resolved, *parts, out=out, seed=seed, max_steps=max_steps, workers=workers)
        best = _train(asked, resume)
    if as_json:
        print_json(
            {"model": str(best), "run": str(asked.out), "steps": asked.total_steps, "selection": _selection(best)}
        )
    else:
        chosen = _selection(best)
        console.print(
            f"best on dev: EER {chosen['value']:.2%} at step {chosen['step']}, {len(asked.dev.table):,} clips → {best}",
            highlight=False,
            soft_wrap=True,
        )


def _train(run: "Run", resume: bool) -> Path:
    """Train behind a progress bar."""
    from moe_mamba_asv.training.run import train as run_training

    with progress_bar() as progress:
        task = progress.add_task("training", total=run.total_steps)

        def show(step: int, total: int, dev_eer: float) -> None:
            shown = "" if dev_eer != dev_eer else f", dev EER {dev_eer:.2%}"
            progress.update(task, completed=step, total=total, description=f"training{shown}")

        try:
            return run_training(run, resume=resume, on_progress=show)
        except KeyboardInterrupt:
            stderr.print("stopped; the same command with --resume goes on from the last epoch")
            raise


def _selection(best: Path) -> dict:
    from moe_mamba_asv.models.checkpoint import load_checkpoint

    return dict(load_checkpoint(best).selection)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", help=_HELP)(train)
