"""`mma export`: write a model in another form."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json, stderr

if TYPE_CHECKING:
    from moe_mamba_asv.models.onnx_export import OnnxReport


class ModelForm(StrEnum):
    """What `mma export` can write."""

    SAFETENSORS = "safetensors"
    ONNX = "onnx"


def export(
    model: Annotated[str, typer.Option(metavar="FILE|RUN", help="Model file, official AASIST .pth, or run folder.")],
    out: Annotated[Path, typer.Option(help="The .safetensors or .onnx file to write.")],
    form: Annotated[ModelForm, typer.Option("--format", help="Of the file; ONNX scores without PyTorch.")] = (
        ModelForm.SAFETENSORS
    ),
    full: Annotated[
        bool, typer.Option(help="Write the frozen weights of a self-supervised model inside too, not only its name.")
    ] = False,
    half: Annotated[bool, typer.Option("--half", help="Store weights in 16 bits, half as large; scores move.")] = False,
    int8: Annotated[bool, typer.Option("--int8", help="ONNX: weights of matrix products in 8 bits.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a model as safetensors with its configuration inside, or as ONNX.

    Examples:

        mma export --model AASIST.pth --out aasist.safetensors

        mma export --model demo/run --format onnx --out detector.onnx

    An ONNX file is written only if its scores of made clips are those of PyTorch to 0.0001; with --int8, the
    difference is reported. It carries the calibration beside the model, if its scores are the same, and the ranges of
    the profile.
    """
    from moe_mamba_asv.models.checkpoint import load_checkpoint
    from moe_mamba_asv.models.hub import find_model

    _require_fitting(form, out, full=full, half=half, int8=int8)
    with expected_errors():
        path = find_model(model)
        recipe = load_checkpoint(path).recipe
        if form is ModelForm.ONNX:
            report, left_out = _export_onnx(path, out, int8)
        else:
            report, left_out = None, []
            _export_safetensors(path, out, full=full, half=half)
    for reason in left_out:
        stderr.print(reason, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        parity = {} if report is None else {"format": "onnx", "parity": report.model_dump(mode="json")}
        print_json({"out": str(out), "recipe": recipe, **parity})
        return
    console.print(f"{recipe} → {out}", highlight=False)
    if report is not None:
        console.print(_in_words(report), highlight=False, soft_wrap=True)


def _require_fitting(form: ModelForm, out: Path, *, full: bool, half: bool, int8: bool) -> None:
    """Refuse options of one form beside the other, and a name that says another form than is written."""
    if form is ModelForm.ONNX and full:
        raise typer.BadParameter("--full is for safetensors; an ONNX file holds all weights")
    if form is ModelForm.ONNX and half:
        raise typer.BadParameter("--half is for safetensors; --int8 makes an ONNX file smaller")
    if form is ModelForm.SAFETENSORS and int8:
        raise typer.BadParameter("--int8 needs --format onnx")
    if (form is ModelForm.ONNX) != (out.suffix == ".onnx"):
        raise typer.BadParameter(f"--out {out.name} for --format {form.value}; wanted a name ending in .{form.value}")


def _export_safetensors(path: Path, out: Path, *, full: bool, half: bool) -> None:
    from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(path)
    built = checkpoint.build()  # refuses weights that do not fit before anything is written
    if full:
        known = checkpoint.recipe, checkpoint.config, checkpoint.selection, checkpoint.num_samples
        checkpoint = Checkpoint.of(built, *known, full=True)
    if half:
        state = {name: one.half() if one.is_floating_point() else one for name, one in checkpoint.state.items()}
        checkpoint = replace(checkpoint, state=state)
    save_checkpoint(checkpoint, out)


def _export_onnx(path: Path, out: Path, int8: bool) -> "tuple[OnnxReport, list[str]]":
    """The report, and what the file does not carry of what lies beside the model, with the reason."""
    from moe_mamba_asv.models.checkpoint import file_sha256, load_checkpoint
    from moe_mamba_asv.models.onnx_export import export_onnx

    digest = file_sha256(path)
    known, left_out = _known_of(path, digest)
    report = export_onnx(load_checkpoint(path), out, source_sha256=digest, int8=int8, **known)
    if "calibration" in known and not report.has_calibration:
        left_out.append(
            f"not calibrated: scores in {report.precision} are others; score dev with {out.name} and --runtime onnx, "
            f"and write its calibration to {out.stem}.calibration.json with `mma calibrate`"
        )
    return report, left_out


def _known_of(path: Path, digest: str) -> tuple[dict[str, Any], list[str]]:
    """Calibration and usual facts of a model, and reasons where one beside it is not of this model."""
    from moe_mamba_asv.errors import MmaError
    from moe_mamba_asv.evaluation.calibration.calibration import calibration_beside
    from moe_mamba_asv.scoring.domain import profile_beside

    known: dict[str, Any] = {}
    left_out: list[str] = []
    try:
        if (calibration := calibration_beside(path)) is not None:
            # Where nobody wrote down whose scores taught it, it is this model's, as it is for `mma score`.
            known["calibration"] = calibration.model_dump(mode="json") | {"model_sha256": digest}
    except MmaError as error:
        left_out.append(f"not calibrated: {error}")
    try:
        if (profile := profile_beside(path, digest)) is not None:
            known["usual_facts"] = profile.usual_facts.model_dump(mode="json")
    except MmaError as error:
        left_out.append(f"no profile: {error}")
    return known, left_out


def _in_words(report: "OnnxReport") -> str:
    lengths = (
        f"{report.num_samples:,} samples"
        if report.shortest_samples is None
        else f"≥ {report.shortest_samples:,} samples"
    )
    lines = [
        f"{report.precision}, {report.bytes / 1e6:.1f} MB; any number of clips of {lengths}",
        f"largest difference of a score from PyTorch's on made clips: {report.largest_difference:.1e}",
    ]
    if report.largest_difference_int8 is not None:
        lines.append(f"the same in int8: {report.largest_difference_int8:.1e}; measure the error rate on a corpus")
    carried = {"the calibration": report.has_calibration, "ranges of the profile": report.has_usual_facts}
    if any(carried.values()):
        lines.append(f"carries {' and '.join(name for name, there in carried.items() if there)}")
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)
