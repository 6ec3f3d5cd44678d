"""`mma export`: write a model in another form."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moe_mamba_asv.cli.terminal import console, expected_errors, print_json

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
    int8: Annotated[bool, typer.Option("--int8", help="ONNX: weights of matrix products in 8 bits.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a model as safetensors with its configuration inside, or as ONNX.

    Examples:

        mma export --model AASIST.pth --out aasist.safetensors

        mma export --model demo/run --format onnx --out detector.onnx

    An ONNX file is written only if its scores of made clips are those of PyTorch to 0.0001; with --int8, the
    difference is reported.
    """
    from moe_mamba_asv.models.checkpoint import load_checkpoint
    from moe_mamba_asv.models.hub import find_model

    _require_fitting(form, out, full=full, int8=int8)
    with expected_errors():
        path = find_model(model)
        recipe = load_checkpoint(path).recipe
        if form is ModelForm.ONNX:
            report = _export_onnx(path, out, int8)
        else:
            report = None
            _export_safetensors(path, out, full)
    if as_json:
        parity = {} if report is None else {"format": "onnx", "parity": report.model_dump(mode="json")}
        print_json({"out": str(out), "recipe": recipe, **parity})
        return
    console.print(f"{recipe} → {out}", highlight=False)
    if report is not None:
        console.print(_in_words(report), highlight=False, soft_wrap=True)


def _require_fitting(form: ModelForm, out: Path, *, full: bool, int8: bool) -> None:
    """Refuse options of one form beside the other, and a name that says another form than is written."""
    if form is ModelForm.ONNX and full:
        raise typer.BadParameter("--full is for safetensors; an ONNX file holds all weights")
    if form is ModelForm.SAFETENSORS and int8:
        raise typer.BadParameter("--int8 needs --format onnx")
    if (form is ModelForm.ONNX) != (out.suffix == ".onnx"):
        raise typer.BadParameter(f"--out {out.name} for --format {form.value}; wanted a name ending in .{form.value}")


def _export_safetensors(path: Path, out: Path, full: bool) -> None:
    from moe_mamba_asv.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

    checkpoint = load_checkpoint(path)
    built = checkpoint.build()  # refuses weights that do not fit before anything is written
    if full:
        known = checkpoint.recipe, checkpoint.config, checkpoint.selection, checkpoint.num_samples
        checkpoint = Checkpoint.of(built, *known, full=True)
    save_checkpoint(checkpoint, out)


def _export_onnx(path: Path, out: Path, int8: bool) -> "OnnxReport":
    from moe_mamba_asv.models.checkpoint import file_sha256, load_checkpoint
    from moe_mamba_asv.models.onnx_export import export_onnx

    return export_onnx(load_checkpoint(path), out, source_sha256=file_sha256(path), int8=int8)


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
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)
