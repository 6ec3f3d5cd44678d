"""`mma pretrain`: train a self-supervised model on, without labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from moe_mamba_asv.cli.terminal import SOME_FAILED, console, expected_errors, print_json, progress_bar, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.training.pretrain.run import Pretraining, PretrainResult

_HELP = """Train a self-supervised model on, on any folder of speech: it guesses which sounds were hidden from it.

Examples:

    mma pretrain openai/whisper-tiny.en --speech recordings --out ssl/tiny --steps 500 --batch-size 4

    mma pretrain microsoft/wavlm-base --speech /data/fakes --out ssl/wavlm --layer 6 --trainable 6 11 --mix 0.2

    mma train phase4-small --set model.frontends.0.source=ssl/tiny --corpus minispoof --root demo/corpus --out demo/run

No labels are read. What is hidden are spans of frames, and the answers are clusters of a hidden state of the starting
model (of log-mel spectra with `--from-scratch`). The run folder is a model that transformers and every recipe can name
as source. A file that cannot be read is listed, and the exit code is 1. Interrupted? The same command with `--resume`
goes on and ends with the same weights.
"""


def pretrain(
    source: Annotated[str, typer.Argument(help="WavLM, wav2vec 2.0, HuBERT or Whisper: folder or hub name.")],
    speech: Annotated[Path, typer.Option(help="Folder of audio files; folders in it are looked through too.")],
    out: Annotated[Path, typer.Option(help="Run folder to write, and in the end the model.")],
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser.")] = 1000,
    batch_size: Annotated[int, typer.Option(min=1, help="Crops a step.")] = 8,
    crop_s: Annotated[float, typer.Option(min=1, max=30, help="Length of a random crop.")] = 4.0,
    learning_rate: Annotated[float, typer.Option(help="At its highest, after the first tenth of the steps.")] = 1e-4,
    layer: Annotated[
        int | None, typer.Option(min=1, help="Hidden state whose clusters are guessed; without, the middle one.")
    ] = None,
    clusters: Annotated[int, typer.Option(min=2, help="Kinds of frames to tell apart.")] = 100,
    trainable: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="FIRST LAST", help="Encoder layers to train, from 0; without, all."),
    ] = None,
    unmasked_weight: Annotated[float, typer.Option(min=0, help="Of the loss on frames that were not hidden.")] = 0.0,
    mix: Annotated[float, typer.Option(min=0, max=1, help="Share of clips with a second sound in a part.")] = 0.0,
    held_out: Annotated[float, typer.Option(help="Share of files that are not trained on, 64 at most.")] = 0.05,
    every: Annotated[int, typer.Option(min=1, help="Steps between two states, with the held-out loss.")] = 100,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Random first weights; a config.json will do as SOURCE.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda, mps …")] = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, if there is one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Pre-train; see `_HELP`."""
    with expected_errors():
        from moe_mamba_asv.training.pretrain.config import PretrainConfig
        from moe_mamba_asv.training.pretrain.run import Pretraining

        config = PretrainConfig.checked(
            steps=steps,
            batch_size=batch_size,
            crop_s=crop_s,
            learning_rate=learning_rate,
            layer=layer,
            clusters=clusters,
            trainable=trainable,
            unmasked_weight=unmasked_weight,
            mixing={"probability": mix} if mix else None,
            held_out_share=held_out,
            every_steps=every,
            from_scratch=from_scratch,
        )
        result = _pretrain(Pretraining(source, speech, out, config, seed, device), resume)
    _tell(result, as_json)
    if result.unreadable:
        raise typer.Exit(SOME_FAILED)


def _pretrain(run: "Pretraining", resume: bool) -> "PretrainResult":
    """Train behind a progress bar."""
    from moe_mamba_asv.training.pretrain.pretrain import pretrain as run_pretraining

    with progress_bar() as progress:
        task = progress.add_task("pre-training", total=None)

        def show(what: str, done: int, total: int, loss: float) -> None:
            shown = "" if loss != loss else f", held-out loss {loss:.3f}"
            progress.update(task, completed=done, total=total, description=what + shown)

        try:
            return run_pretraining(run, resume=resume, report=show)
        except KeyboardInterrupt:
            stderr.print("stopped; the same command with --resume goes on from the last state")
            raise


def _tell(result: "PretrainResult", as_json: bool) -> None:
    from dataclasses import asdict

    for file, reason in sorted(result.unreadable.items()):
        stderr.print(f"[bold red]not heard:[/] {escape(f'{file}: {reason}')}", highlight=False, soft_wrap=True)
    if as_json:
        print_json({**asdict(result), "model": str(result.model)})
        return
    before, after = result.before, result.after
    console.print(
        f"hidden frames of {result.held_out_files:,} held-out files: loss {before.loss:.3f} → {after.loss:.3f}, "
        f"guessed {before.accuracy:.1%} → {after.accuracy:.1%} (most frequent cluster {after.majority:.1%}), "
        f"after {result.steps:,} steps, {result.skipped:,} of them skipped → {result.model}",
        highlight=False,
        soft_wrap=True,
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("pretrain", help=_HELP)(pretrain)
