"""`mma score`: give each file a score."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from moe_mamba_asv.cli.extras import require
from moe_mamba_asv.cli.score_answer import answers_of, tell_answers
from moe_mamba_asv.cli.score_run import open_model, score_here, score_on_cluster, score_windows
from moe_mamba_asv.cli.terminal import DONE, SOME_FAILED, console, expected_errors, print_json, stderr

if TYPE_CHECKING:
    import polars as pl

    from moe_mamba_asv.evaluation.calibration.calibration import Calibration
    from moe_mamba_asv.scores import ScoreTable
    from moe_mamba_asv.scoring.answer import Answer
    from moe_mamba_asv.scoring.inputs import Input
    from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor
    from moe_mamba_asv.scoring.predictor import Predictor

_LONG, _CLUSTER = "With --long", "On a cluster"
_HELP = """Score audio: higher = bona fide.

Examples:

    mma score recording.wav

    mma score call.m4a interviews/ --model demo/run --out scores.tsv

    mma score --corpus asvspoof2019-la --root /data/LA --partition eval --model AASIST.pth --out scores.tsv

Without --model the detector inside the package judges. Without --out each recording gets an answer in words: verdict
and probability where the model has a calibration, how it is unlike what the model knows where it has a profile
(`mma profile`), and what all of it rests on.

    mma score hour.mp3 --long --model demo/run --timeline hour.svg

    mma score /data/calls --engine ray --address auto --actors 8 --model demo/run --out scores.tsv

    mma score 'shards/{0000..0009}.tar' --model demo/run --out scores.tsv

--long lays windows over a whole recording, gives silence no vote, and pools them. --engine ray scores on a cluster.

With a calibration beside the model (`mma calibrate`), each score also gets its log-likelihood ratio and the probability
of bona fide, here where 1 % of all audio is: `mma score call.m4a --model demo/run --out scores.tsv --prior 0.01`

A file that cannot be scored is listed with its reason, in the output and on stderr, and the exit code is 1.
Interrupted? The same command goes on where it stopped.
"""


def score(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES|FOLDERS|ADDRESSES", help="Audio, folders, .tar shards, s3://…, .parquet lists."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="FILE|RUN", help="Model file, official AASIST .pth, run folder, hf://owner/name.")
    ] = "shipped",
    corpus: Annotated[str | None, typer.Option(help="Score a corpus of this kind; see `mma corpus list`.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus.")] = None,
    partition: Annotated[str, typer.Option(help="train, dev or eval.")] = "eval",
    out: Annotated[Path | None, typer.Option(help="Score file to write.")] = None,
    form: Annotated[str, typer.Option(help="mma, asvspoof2019, asvspoof2021 or asvspoof5.")] = "mma",
    prior: Annotated[
        float | None, typer.Option(help="Share of bona fide in all audio, for a calibrated model.", show_default="0.5")
    ] = None,
    long: Annotated[bool, typer.Option("--long", help="A timeline of windows over each recording.")] = False,
    hop: Annotated[
        float | None,
        typer.Option(help="Seconds from window to window; half a window without it.", rich_help_panel=_LONG),
    ] = None,
    min_speech: Annotated[
        float, typer.Option(min=0, max=1, help="Least share of speech that has a vote.", rich_help_panel=_LONG)
    ] = 0.25,
    lowest: Annotated[
        int, typer.Option(min=1, help="Windows most like spoof that are averaged.", rich_help_panel=_LONG)
    ] = 5,
    timeline: Annotated[
        Path | None, typer.Option(help="Draw one recording's timeline as SVG.", rich_help_panel=_LONG)
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where to score.", rich_help_panel=_CLUSTER)
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Of a Ray cluster, or auto; without it one starts here.", rich_help_panel=_CLUSTER),
    ] = None,
    actors: Annotated[int, typer.Option(min=1, help="That score at once.", rich_help_panel=_CLUSTER)] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips a forward pass.")] = 8,
    runtime: Annotated[
        Literal["torch", "onnx"], typer.Option(help="What runs the model; onnx needs no PyTorch, see `mma export`.")
    ] = "torch",
    device: Annotated[str, typer.Option(help="PyTorch device: cpu, cuda, mps …")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Score audio; see `_HELP`."""
    from moe_mamba_asv.evaluation.calibration.table import DEFAULT_PRIOR, calibrate_table

    if runtime == "onnx":
        _refuse_with_onnx(engine=engine, device=device)
    else:
        require("torch")
    if long:
        _refuse_with_long(corpus=corpus, prior=prior, engine=engine, form=form)
        with expected_errors():
            predictor = open_model(_find_model(model, runtime), runtime, device)
            options = (hop, min_speech, lowest, batch_size)
            answered = score_windows(paths or [], predictor, options, out, timeline, as_json)
        raise typer.Exit(DONE if answered else SOME_FAILED)
    with expected_errors():
        inputs, trials = _inputs(paths, corpus, root, partition)
        path = _find_model(model, runtime)
        predictor = open_model(path, runtime, device) if engine == "local" else None
        calibration = _find_calibration(path, prior, predictor)
        if predictor is None:
            table = score_on_cluster(inputs, path, batch_size, device, out, address, actors)
        else:
            table = score_here(inputs, predictor, batch_size, out)
        if calibration is not None:
            table = calibrate_table(table, calibration, prior=DEFAULT_PRIOR if prior is None else prior)
        if out is not None:
            _write(out, table, trials, form)
        answers = None
        if out is None and predictor is not None:
            answers = answers_of(inputs, table, predictor, path, calibration, prior or DEFAULT_PRIOR)
    all_scored = _tell(table, out, as_json, answers)
    if answers is not None and predictor is not None and not as_json:
        tell_answers(answers, predictor, calibration)
    if not all_scored:
        raise typer.Exit(SOME_FAILED)


def _refuse_with_onnx(**given: object) -> None:
    """What ONNX Runtime does not do here."""
    idle = {"engine": "local", "device": "cpu"}
    asked = [f"--{name}" for name, value in given.items() if value != idle[name]]
    if asked:
        raise typer.BadParameter(f"{', '.join(asked)} needs --runtime torch", param_hint="--runtime")


def _find_model(name: str, runtime: str) -> Path:
    """The model file; where ONNX runs it nothing is imported that imports PyTorch."""
    if runtime == "onnx":
        from moe_mamba_asv.scoring.onnx_predictor import find_onnx_model

        return find_onnx_model(name)
    from moe_mamba_asv.models.hub import find_model

    return find_model(name)


def _refuse_with_long(**given: object) -> None:
    """What means nothing for a timeline."""
    idle = {"corpus": None, "prior": None, "engine": "local", "form": "mma"}
    asked = [f"--{name}" for name, value in given.items() if value != idle[name]]
    if asked:
        raise typer.BadParameter(f"{', '.join(asked)} means nothing for a timeline", param_hint="--long")


def _inputs(
    paths: list[str] | None, corpus: str | None, root: Path | None, partition: str
) -> "tuple[list[Input], pl.DataFrame | None]":
    """What to score, and the labels where a corpus has them."""
    from moe_mamba_asv.scoring.inputs import inputs_from_corpus, inputs_from_paths

    if bool(paths) == bool(corpus):
        raise typer.BadParameter("give either files and folders, or --corpus with --root")
    if not corpus:
        return inputs_from_paths(paths or []), None
    if root is None:
        raise typer.BadParameter("--corpus needs --root, the folder that holds it")
    from moe_mamba_asv.corpora.read import read_corpus  # here: files are scored without polars

    found = read_corpus(corpus, root=root, partition=partition)
    return inputs_from_corpus(found), found.table.select("utterance", "attack", "label")


def _find_calibration(
    model: Path, prior: float | None, predictor: "Predictor | OnnxPredictor | None"
) -> "Calibration | None":
    """The calibration of the model, if there is one that fits; a prior that makes no sense stops here already."""
    from moe_mamba_asv.errors import ConfigError, ScoreError
    from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
    from moe_mamba_asv.evaluation.calibration.maps import logit
    from moe_mamba_asv.scoring.onnx_knowledge import onnx_calibration
    from moe_mamba_asv.scoring.onnx_predictor import OnnxPredictor

    found = None
    try:
        is_onnx = isinstance(predictor, OnnxPredictor)
        found = onnx_calibration(predictor, model) if is_onnx else calibration_beside(model)
    except ScoreError as error:
        # Dev must be scored without it, or none could be learned anew.
        stderr.print(f"not calibrated: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True)
    if prior is not None:
        logit(prior)
        if found is None:
            raise ConfigError(
                f"--prior {prior:g}, but no calibration beside {model.name}",
                wanted=f"{model.stem}.calibration.json or calibration.json in its folder",
                remedy="mma calibrate",
            )
    return found


def _write(out: Path, table: "ScoreTable", trials: "pl.DataFrame | None", form: str) -> None:
    from dataclasses import replace

    from moe_mamba_asv.scores import write_scores

    write_scores(out, replace(table, trials=trials), form)  # pyright: ignore[reportArgumentType]
    out.with_name(out.name + ".partial").unlink(missing_ok=True)


def _tell(table: "ScoreTable", out: Path | None, as_json: bool, answers: "list[Answer] | None") -> bool:
    """Whether every input has a score."""
    failed = [(utterance, reason) for utterance, reason in table.rows("utterance", "error") if reason is not None]
    for utterance, reason in failed:
        stderr.print(f"[bold red]not scored:[/] {escape(f'{utterance}: {reason}')}", highlight=False, soft_wrap=True)
    if as_json:
        rows = [dict(zip(table.columns, values, strict=True)) for values in table.rows(*table.columns)]
        told = {} if answers is None else {"answers": [one.model_dump(mode="json") for one in answers]}
        print_json({"header": table.header, "out": str(out) if out else None, "scores": rows, **told})
        return not failed
    if out is None and answers is None:
        shown = ("score", "probability") if table.is_calibrated else ("score",)
        for utterance, error, *values in table.rows("utterance", "error", *shown):
            if error is None:
                numbers = "\t".join(f"{value:.6g}" for value in values)
                console.print(f"{utterance}\t{numbers}", highlight=False, soft_wrap=True)
    place = f" in {out}" if out else ""
    num_scored = len(table.columns["utterance"]) - len(failed)
    stderr.print(f"{num_scored:,} scored, {len(failed):,} not{place}; higher = bona fide")
    return not failed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score", help=_HELP)(score)
