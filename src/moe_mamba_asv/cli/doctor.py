"""`mma doctor`: what is installed, what works, and the command that mends the rest."""

import importlib
import importlib.metadata
import platform
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from moe_mamba_asv.cli.terminal import SOME_FAILED, console, print_json

#: Distribution, module, what it is for.
_NEEDED = (
    ("torch", "torch", "models"),
    ("transformers", "transformers", "self-supervised streams"),
    ("lightning", "lightning", "training"),
    ("soundfile", "soundfile", "decoding"),
    ("av", "av", "decoding M4A, video and what libsndfile refuses; codecs"),
    ("soxr", "soxr", "resampling"),
    ("pyworld-prebuilt", "pyworld", "WORLD attacks of minispoof"),
    ("polars", "polars", "tables"),
    ("matplotlib", "matplotlib", "figures"),
)
#: Distribution, extra that brings it, what it is for.
_OPTIONAL = (
    ("onnxruntime", "onnx", "scoring without PyTorch"),
    ("fastapi", "serve", "the service"),
    ("ray", "ray", "scoring on a cluster"),
    ("pyroomacoustics", "augment", "simulated rooms"),
    ("piper-tts", "attacks", "neural attacks of minispoof"),
    ("mambapy", "bench", "a peer in benchmarks"),
    ("mlflow", "mlflow", "its records of training"),
    ("wandb", "wandb", "its records of training"),
)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Look at this installation. Example: `mma doctor`. Exit code 1 when something is missing."""
    rows = [_look(*needed) for needed in _NEEDED]
    optional = [_look_for_extra(*one) for one in _OPTIONAL]
    scan = _look_at_scan()
    if as_json:
        print_json({"python": platform.python_version(), "packages": rows, "optional": optional, "scan": scan})
    else:
        table = Table("package", "version", "for", "to mend", title=f"Python {platform.python_version()}")
        for row in rows:
            table.add_row(row["package"], row["version"] or "[red]missing[/]", row["for"], escape(row["remedy"] or ""))
        for row in optional:
            table.add_row(row["package"], row["version"] or "not installed", row["for"], escape(row["remedy"] or ""))
        console.print(table)
        _print_scan(scan)
    if any(row["remedy"] for row in rows):
        raise typer.Exit(SOME_FAILED)


def _look(distribution: str, module: str, purpose: str) -> dict[str, str | None]:
    """Import it: a package that is installed may still not load."""
    try:
        importlib.import_module(module)
        version, remedy = importlib.metadata.version(distribution), None
    except (ImportError, OSError) as error:
        version, remedy = None, f"pip install -c constraints.txt {distribution}  ({error})"
    return {"package": distribution, "version": version, "for": purpose, "remedy": remedy}


def _look_for_extra(distribution: str, extra: str, purpose: str) -> dict[str, str | None]:
    """Whether it is installed; nothing is wrong where it is not."""
    try:
        version, remedy = importlib.metadata.version(distribution), None
    except importlib.metadata.PackageNotFoundError:
        version, remedy = None, f"pip install -c constraints.txt 'moe-mamba-asv[{extra}]'"
    return {"package": distribution, "version": version, "for": purpose, "remedy": remedy}


def _look_at_scan() -> dict[str, Any]:
    """Which implementation of the selective scan `auto` takes on each device, and what the others lack."""
    import torch

    from moe_mamba_asv.models.scan import available_implementations, explain_automatic

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    chosen = {device: dict(zip(("takes", "because"), explain_automatic(device), strict=True)) for device in devices}
    return {"auto": chosen, "missing": {name: why for name, why in available_implementations().items() if why}}


def _print_scan(scan: dict[str, Any]) -> None:
    for device, choice in scan["auto"].items():
        console.print(f"selective scan on {device}: [bold]{choice['takes']}[/], {choice['because']}", highlight=False)
    for name, why in scan["missing"].items():
        console.print(f"  not here: {name}, {why}", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)
