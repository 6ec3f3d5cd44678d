"""`mma diagnose`: why is it wrong?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moe_mamba_asv.cli.terminal import (
    SOME_FAILED,
    console,
    expected_errors,
    print_json,
    progress_bar,
    stderr,
    typed_command,
)

if TYPE_CHECKING:
    from moe_mamba_asv.diagnostics.diagnose import OnClips, Subject
    from moe_mamba_asv.diagnostics.results.diagnosis import Diagnosis, Kind
    from moe_mamba_asv.diagnostics.sample import Sample

_HELP = """Find out why a detector is wrong: each diagnosis measures, and names a fault only by a stated rule.

Examples:

    mma diagnose demo/run --corpus minispoof --root demo/corpus

    mma diagnose phase5/run --before phase4/run --only streams --corpus asvspoof2019-la --root /data/LA

    mma diagnose demo/run --where call.wav --out occlusion

Kinds: training (NaN, over-fitting), layers (weights of layers, sinc filters), scores (polarity), streams (balance),
router (experts by attack), shortcuts (silence, level …), robustness (codecs, noise …). What does not apply to a model
is said. Dev is the default: what you learn here you will act on, and eval must not choose a model.

docs/diagnosis.md says how to read the answers.

Exit code 0: done; 1: a clip could not be heard, or a kind that was asked for does not apply; 2: wrong use.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnose", help=_HELP)(diagnose_command)


def diagnose_command(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="RUN|FILE", help="Run folder, or model file.")],
    corpus: Annotated[str | None, typer.Option(help="Corpus reader; see `mma corpus list`.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus.")] = None,
    partition: Annotated[str, typer.Option(help="train, dev or eval.")] = "dev",
    only: Annotated[str | None, typer.Option(help="Kinds, separated by commas; all without it.")] = None,
    before: Annotated[str | None, typer.Option(help="An earlier checkpoint: how the balance of streams moved.")] = None,
    where: Annotated[Path | None, typer.Option(help="A recording: which time and band its score rests on.")] = None,
    clips: Annotated[int, typer.Option(min=20, help="Clips to hear, half of them bona fide.")] = 120,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw of clips and of every interval.")] = 0,
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda …")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Folder for figures and JSON; a run folder takes its own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Diagnose; see `_HELP`."""
    with expected_errors():
        subject = _subject(model, before, device)
        if where is not None:
            _occlude(subject, where, out, as_json)
            return
        kinds = _kinds(only, has_corpus=corpus is not None)
        sample = _sample(corpus, root, partition, clips, seed)
        found = _diagnosed(subject, sample, kinds, seed, typed_command(context))
        folder = out or subject.run
        files = [] if folder is None else _written(found, folder)
    if as_json:
        print_json({"files": [str(file) for file in files], **found.model_dump(mode="json")})
    else:
        _tell(found, files)
    failed = found.sample is not None and bool(found.sample.failed)
    if failed or (only is not None and found.not_done):
        raise typer.Exit(SOME_FAILED)


def _subject(model: str, before: str | None, device: str) -> Subject:
    from moe_mamba_asv.diagnostics.diagnose import Subject
    from moe_mamba_asv.models.hub import find_model
    from moe_mamba_asv.scoring.allocator import keep_freed_blocks
    from moe_mamba_asv.scoring.predictor import Predictor

    keep_freed_blocks()
    path = find_model(model)
    run = path.parent if (path.parent / "run.json").is_file() else None
    earlier = None if before is None else Predictor(find_model(before), device=device)
    return Subject(path, Predictor(path, device=device), run, earlier)


def _kinds(only: str | None, *, has_corpus: bool) -> tuple[Kind, ...]:
    from moe_mamba_asv.diagnostics.results.diagnosis import KINDS

    if only is None:
        return KINDS if has_corpus else ("training", "layers")
    asked = [word.strip() for word in only.split(",")]
    strangers = [word for word in asked if word not in KINDS]
    if strangers:
        raise typer.BadParameter(f"{', '.join(strangers)}; wanted: some of {', '.join(KINDS)}", param_hint="--only")
    return tuple(kind for kind in KINDS if kind in asked)


def _sample(corpus: str | None, root: Path | None, partition: str, clips: int, seed: int) -> Sample | None:
    import numpy as np

    from moe_mamba_asv.corpora.read import read_corpus
    from moe_mamba_asv.diagnostics.sample import draw_sample

    if corpus is None:
        return None
    if root is None:
        raise typer.BadParameter("--corpus needs --root, the folder that holds it")
    return draw_sample(read_corpus(corpus, root=root, partition=partition), clips, np.random.default_rng(seed))


def _diagnosed(subject: Subject, sample: Sample | None, kinds: tuple[Kind, ...], seed: int, command: str) -> Diagnosis:
    from moe_mamba_asv.diagnostics.diagnose import diagnose

    with progress_bar() as progress:
        tasks = {}

        def on_clips(kind: str, clips: int) -> None:
            if kind not in tasks:
                tasks[kind] = progress.add_task(kind, total=None)
            progress.advance(tasks[kind], clips)

        heard: OnClips = on_clips
        return diagnose(subject, sample, kinds, seed=seed, command=command, on_clips=heard)


def _occlude(subject: Subject, recording: Path, out: Path | None, as_json: bool) -> None:
    from moe_mamba_asv.audio.load import load_16k
    from moe_mamba_asv.diagnostics.occlusion import num_passes, occlude
    from moe_mamba_asv.reports.canvas import for_file
    from moe_mamba_asv.reports.drawings.occlusion import occlusion_figure
    from moe_mamba_asv.scores import write_atomically

    with progress_bar() as progress:
        task = progress.add_task("occluding", total=num_passes(subject.predictor.num_samples))
        found = occlude(subject.predictor, load_16k(recording), on_clips=lambda clips: progress.advance(task, clips))
    folder = out or Path(f"{recording.stem}.occlusion")
    files = [folder / "occlusion.json", folder / "occlusion.svg"]
    write_atomically(files[0], found.model_dump_json(indent=1) + "\n")
    write_atomically(files[1], for_file(occlusion_figure(found)))
    if as_json:
        print_json({"files": [str(file) for file in files], **found.model_dump(mode="json")})
        return
    for file in files:
        console.print(str(file), highlight=False, soft_wrap=True)


def _written(found: Diagnosis, folder: Path) -> list[Path]:
    from moe_mamba_asv.diagnostics.results.diagnosis import FILE_NAME
    from moe_mamba_asv.reports.canvas import for_file
    from moe_mamba_asv.reports.drawings.all import draw_diagnosis
    from moe_mamba_asv.scores import write_atomically

    write_atomically(folder / FILE_NAME, found.model_dump_json(indent=1) + "\n")
    files = [folder / FILE_NAME]
    for name, svg in draw_diagnosis(found).items():
        files.append(folder / "diagnosis" / f"{name}.svg")
        write_atomically(files[-1], for_file(svg))
    return files


def _tell(found: Diagnosis, files: list[Path]) -> None:
    """Faults first, then what was tested without finding any, and what was not tested."""
    from rich.table import Table

    findings = found.findings()
    raised = [finding for finding in findings if finding.raised]
    table = Table("fault", "where", "measure", "value", "95 % interval", "limit", "of")
    for finding in raised:
        interval = "–" if finding.ci is None else f"{finding.ci[0]:.3g} to {finding.ci[1]:.3g}"
        limit = f"{'>' if finding.beyond == 'above' else '<'} {finding.limit:.3g}"
        of = f"{finding.n:,} {finding.unit}"
        table.add_row(finding.fault, finding.where, finding.measure, f"{finding.value:.3g}", interval, limit, of)
    if raised:
        console.print(table)
    console.print(f"{len(raised)} faults by {len(findings)} rules", highlight=False)
    for name, reason in ({} if found.sample is None else found.sample.failed).items():
        stderr.print(f"not heard: {name}: {reason}", highlight=False, soft_wrap=True, markup=False)
    for kind, reason in found.not_done.items():
        stderr.print(f"not done: {kind}: {reason}", highlight=False, soft_wrap=True, markup=False)
    for file in files:
        console.print(str(file), highlight=False, soft_wrap=True)
