"""`mma compare`: score files against each other, or two models and what lies between them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from moe_mamba_asv.cli.compare_scores import compare_score_files
from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar

_HELP = """Compare score files of the same partition: who is better, where, and whether chance alone could say so.

All systems are judged on the same trials and the same resamples of them. Every difference (EER and, with ASV scores,
min t-DCF; pooled, known, unknown, by attack) has a 95 % interval and a p-value, corrected over the attacks (Holm).

    mma compare mul.txt cat.txt --corpus asvspoof2019-la --root /data/LA --cluster speaker

Fuse them too, and see whether that is better than its parts; `logistic` is trained on dev scores, one `--dev` for each
system, in the same order:

    mma compare A.tsv B.tsv --corpus asvspoof2019-la --root /data/LA --fuse average --out fused.tsv

    mma compare A.tsv B.tsv --corpus asvspoof2019-la --root /data/LA --fuse logistic --dev A_dev.tsv --dev B_dev.tsv

Or sweep the line between the weights of two models, and judge each mixture on dev. After fine-tuning, a mixture with
the model that it started from often keeps more of what that one knew:

    mma compare --interpolate runs/phase4 runs/phase5 --corpus asvspoof2019-la --root /data/LA --out mixed.safetensors

Exit code 0: everything was compared; 1: a score file lists failed utterances, which are in no figure; 2: wrong use.
"""

#: Options that only one of the two comparisons reads.
_OF_MODELS = ("steps", "batch_size")
_OF_SCORES = (
    *("protocol", "partition", "subset", "asv_scores", "bootstrap", "cluster", "seed", "allow_missing", "allow_extra"),
    *("fuse", "dev", "dev_protocol", "interpolation"),
)


def compare(
    context: typer.Context,
    corpus: Annotated[str, typer.Option(help="Kind of corpus; see `mma corpus list`.")],
    scores: Annotated[list[Path] | None, typer.Argument(help="Score files of the same partition, two or more.")] = None,
    interpolate: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Two model files, run folders or hub names.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the corpus; its dev partition judges what --interpolate mixes.")
    ] = None,
    protocol: Annotated[Path | None, typer.Option(help="Its protocol or key file alone, without the sound.")] = None,
    partition: Annotated[Literal["train", "dev", "eval"], typer.Option(help="What to judge.")] = "eval",
    subset: Annotated[Literal["eval", "progress", "hidden", "all"], typer.Option(help="Of ASVspoof 2021.")] = "eval",
    asv_scores: Annotated[Path | None, typer.Option(help="ASV scores of the partition, for t-DCF.")] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples; 0 for no intervals and p-values.")] = 1000,
    cluster: Annotated[str | None, typer.Option(help="Draw speakers (or another column) in place of trials.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Compare what all have scored.")] = False,
    allow_extra: Annotated[bool, typer.Option("--allow-extra", help="Drop scores from outside the partition.")] = False,
    fuse: Annotated[Literal["average", "logistic"] | None, typer.Option(help="Fuse the systems too.")] = None,
    dev: Annotated[list[Path] | None, typer.Option(help="Dev scores of a system, to fit the fusion. Repeat.")] = None,
    dev_protocol: Annotated[Path | None, typer.Option(help="Protocol of dev, where there is no --root.")] = None,
    interpolation: Annotated[
        Path | None, typer.Option(help="What --interpolate … --json printed, to be shown beside.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps from A to B.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips scored at once.")] = 8,
    out: Annotated[
        Path | None, typer.Option(help="Write the fused scores here; or the mixture with the lowest EER on dev.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON (fractions).")] = False,
) -> None:
    """Compare; see `_HELP`."""
    with expected_errors():
        _refuse_mixed_use(context, scores, interpolate)
    if interpolate is not None:
        _sweep(interpolate, corpus, root, steps, out, batch_size, as_json)
        return
    with expected_errors():
        compare_score_files(
            scores or [],
            corpus=corpus,
            root=root,
            protocol=protocol,
            partition=partition,
            subset=None if subset == "all" else subset,
            asv_scores=asv_scores,
            bootstrap=bootstrap,
            cluster=cluster,
            seed=seed,
            allow_missing=allow_missing,
            allow_extra=allow_extra,
            fuse=fuse,
            dev=dev or [],
            dev_protocol=dev_protocol,
            interpolation=interpolation,
            out=out,
            as_json=as_json,
        )


def _refuse_mixed_use(context: typer.Context, scores: list[Path] | None, interpolate: tuple[str, str] | None) -> None:
    """An option that the comparison asked for would not read is a mistake, not a wish."""
    from moe_mamba_asv.errors import ConfigError

    if bool(scores) == bool(interpolate):
        raise ConfigError(
            "score files and --interpolate" if scores else "nothing to compare",
            wanted="two or more score files, or --interpolate A B",
        )
    foreign = _OF_SCORES if interpolate else _OF_MODELS
    given = [name for name in foreign if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"]
    if given:
        names = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ConfigError(f"{names} with {'--interpolate' if interpolate else 'score files'}, which do not read it")


def _sweep(
    models: tuple[str, str],
    corpus: str,
    root: Path | None,
    steps: int,
    out: Path | None,
    batch_size: int,
    as_json: bool,
) -> None:
    require("torch")
    with expected_errors():
        from moe_mamba_asv.corpora.read import read_corpus
        from moe_mamba_asv.training.interpolation import sweep_shares
        from moe_mamba_asv.types import Partition

        dev = read_corpus(corpus, root=root, partition=Partition.DEV)
        shares = [step / steps for step in range(steps + 1)]
        with progress_bar() as progress:
            task = progress.add_task("scoring dev", total=len(shares))
            points = sweep_shares(
                *models,
                [dev],
                shares,
                out=out,
                batch_size=batch_size,
                report=lambda done: progress.update(task, completed=done),
            )
    if as_json:
        rows = [{"share": point.share, "dev_eer": point.dev_eer, "interval": point.interval} for point in points]
        print_json({"models": models, "clips": len(dev.table), "points": rows, "out": out and str(out)})
        return
    console.print(f"share of {models[1]}: EER on dev [95 % interval], {len(dev.table):,} clips", highlight=False)
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
