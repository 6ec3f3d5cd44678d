"""`mma profile`: what a detector knows the kind of, so that it can say when a recording is unlike it."""

from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, progress_bar


def profile(
    model: Annotated[str, typer.Argument(metavar="RUN|FILE", help="Run folder, or model file.")],
    corpus: Annotated[str, typer.Option(help="Kind of corpus; see `mma corpus list`.")],
    root: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    partition: Annotated[str, typer.Option(help="dev or train; never eval.")] = "dev",
    clips: Annotated[int, typer.Option(min=40, help="At most so many, half of them bona fide.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of clips.")] = 0,
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda …")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the usual ranges as JSON.")] = False,
) -> None:
    """Measure the clips of dev and what the detector makes of them, and keep that beside the model file.

    From then on `mma score` says of each recording how it is unlike them: bandwidth, duration, level, silence, noise,
    and the distance of its embedding.

    Example: `mma profile demo/run --corpus minispoof --root demo/corpus`
    """
    require("torch")
    import numpy as np

    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.diagnostics.sample import draw_sample
    from moe_mamba_asv.models.hub import find_model
    from moe_mamba_asv.scores import write_atomically
    from moe_mamba_asv.scoring.domain import make_profile, profile_path
    from moe_mamba_asv.scoring.predictor import Predictor

    with expected_errors(), progress_bar() as progress:
        path = find_model(model)
        predictor = Predictor(path, device=device)
        found = read_corpus(corpus, root=root, partition=partition)
        sample = draw_sample(found, clips, np.random.default_rng(seed))
        task = progress.add_task("listening", total=len(sample.waveforms))
        made = make_profile(
            predictor,
            sample.waveforms,
            corpus=sample.corpus,
            partition=partition,
            on_clips=lambda count: progress.advance(task, count),
        )
        out = profile_path(path)
        write_atomically(out, made.model_dump_json() + "\n")
    facts = {name: (of.low, of.high) for name, of in made.facts.items()}
    if as_json:
        print_json({"out": str(out), "clips": made.clips, "facts": facts})
        return
    for name, (low, high) in facts.items():
        console.print(f"{name}: {low:.4g} to {high:.4g}", highlight=False)
    console.print(f"{made.clips} clips → {out}", highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("profile")(profile)
