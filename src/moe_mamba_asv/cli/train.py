"""`mma train`: learn a detector."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.training.run import Run
    from moe_mamba_asv.training.sweep import Sweep

_HELP = """Train a detector by a recipe; the dev partition chooses the weights, eval is never opened.

Examples:

    mma train lcnn-small --corpus minispoof --root demo/corpus --out demo/run

    mma train aasist --corpus asvspoof2019-la --root /data/LA --out runs/aasist --set training.batch_size=12

    mma train phase5-lora --start runs/phase4 --corpus asvspoof2019-la --root /data/LA --out runs/phase5 --cache cache

    mma train phase4 --corpus asvspoof2019-la --root /data/LA --corpus folder --root /data/more --weight 3 --weight 1
    --out runs/both

Interrupted? The same command with `--resume` goes on and ends with the same weights. On several machines, start it
with `torchrun`, or with `--nodes` under a cluster manager that Lightning knows.
"""


def train(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe (`mma recipes`) or a YAML file.")],
    corpus: Annotated[list[str], typer.Option(help="Kind of corpus; see `mma corpus list`. Repeat for more.")],
    root: Annotated[list[Path], typer.Option(help="Folder of the corpus, one for each.")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    weight: Annotated[
        list[float] | None, typer.Option(help="How often each corpus is heard; without, every clip equally.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Model file, run folder or hub name to start from.")] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, help="End after so many steps.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    sweep: Annotated[str | None, typer.Option(help="seeds=1,2,3: a run for each seed, with mean and spread.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")] = False,
    average: Annotated[
        str | None, typer.Option(help="Mean of weights: none, ema, swa or best; --set training.averaging.… for more.")
    ] = None,
    augment: Annotated[
        list[str] | None,
        typer.Option(help="rawboost-la, rawboost-df, codec, channel, reverb, vocoded … in turn. Repeat for more."),
    ] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for decoded clips, shared by runs.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode; they change no number.")] = 0,
    logger: Annotated[
        list[str] | None, typer.Option(help="tensorboard (the default), mlflow, wandb or none. Repeat for more.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Devices on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    strategy: Annotated[
        str, typer.Option(help="auto; ddp: a whole model on each device; fsdp: a part of it on each, to save memory.")
    ] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Let PyTorch compile the model.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train; see `_HELP`."""
    with expected_errors():
        require("torch")
        from moe_mamba_asv.corpora.read import read_corpus
        from moe_mamba_asv.errors import ConfigError
        from moe_mamba_asv.training.augment import settings_of
        from moe_mamba_asv.training.recipe import load_recipe
        from moe_mamba_asv.training.run import Run
        from moe_mamba_asv.training.sweep import parse_seeds, runs_of, summarise
        from moe_mamba_asv.types import Partition

        if strategy not in {"auto", "ddp", "fsdp"}:
            raise ConfigError(f"--strategy {strategy}", wanted="auto, ddp or fsdp")
        if len(corpus) != len(root):
            raise ConfigError(f"{len(corpus)} --corpus with {len(root)} --root", wanted="a folder for each corpus")
        asked = [*settings_of(augment or []), *(overrides or [])]
        asked += [] if start is None else [f"training.finetune.start={start}"]
        asked += [] if average is None else [f"training.averaging.kind={average}"]
        parts = [
            tuple(read_corpus(kind, root=place, partition=part) for kind, place in zip(corpus, root, strict=True))
            for part in (Partition.TRAIN, Partition.DEV)
        ]
        run = Run(
            load_recipe(recipe, asked),
            *parts,
            out=out,
            weights=tuple(weight) if weight else None,
            seed=seed,
            max_steps=max_steps,
            workers=workers,
            cache=cache,
            loggers=tuple(name for name in logger or ["tensorboard"] if name != "none"),
            accelerator=accelerator,
            devices=devices,
            nodes=nodes,
            strategy=strategy,
            compiled=compiled,
        )
        seeds = None if sweep is None else parse_seeds(sweep)
        runs = [run] if seeds is None else list(runs_of(run, seeds))
        models = _train(runs, resume)
        # On several devices each has a process that comes by here; one of them speaks.
        if int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0:
            _say(models[0], as_json) if seeds is None else _say_sweep(summarise(models), as_json)


def _train(runs: "list[Run]", resume: bool) -> list[Path]:
    """Train behind a progress bar."""
    from moe_mamba_asv.training.train import precision_warning, train_in_turn

    warning = precision_warning(runs[0].recipe.training, runs[0].accelerator)
    if warning is not None:
        stderr.print(f"warning: {warning}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    with progress_bar() as progress:
        task = progress.add_task("training", total=None)

        def show(step: int, total: int, dev_eer: float) -> None:
            shown = "" if dev_eer != dev_eer else f", dev EER {dev_eer:.2%}"
            progress.update(task, completed=step, total=total, description=f"training{shown}")

        try:
            return train_in_turn(runs, resume=resume, report=show)
        except KeyboardInterrupt:
            stderr.print("stopped; the same command with --resume goes on from the last state")
            raise


def _say(best: Path, as_json: bool) -> None:
    from moe_mamba_asv.models.checkpoint import load_checkpoint

    chosen = dict(load_checkpoint(best).selection)
    if as_json:
        print_json({"model": str(best), "run": str(best.parent), "selection": chosen})
    else:
        console.print(
            f"best on dev: EER {chosen['value']:.2%} at step {chosen['step']}, {chosen['clips']:,} clips → {best}",
            highlight=False,
            soft_wrap=True,
        )


def _say_sweep(sweep: "Sweep", as_json: bool) -> None:
    if as_json:
        rows = [{"model": str(model), "dev_eer": eer} for model, eer in zip(sweep.models, sweep.dev_eers, strict=True)]
        print_json({"runs": rows, "mean": sweep.mean, "spread": sweep.spread})
    else:
        for model, eer in zip(sweep.models, sweep.dev_eers, strict=True):
            console.print(f"{eer:.2%} on dev → {model}", highlight=False, soft_wrap=True)
        console.print(f"EER on dev over {len(sweep.models)} seeds: mean {sweep.mean:.2%}, spread {sweep.spread:.2%}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train", help=_HELP)(train)
