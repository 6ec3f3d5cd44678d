"""`mma doctor`: what is installed, what works, and the command that mends the rest."""

import importlib
import importlib.metadata
import platform
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from moe_mamba_asv.cli.extras import remedy_for
from moe_mamba_asv.cli.terminal import SOME_FAILED, console, print_json

#: Distribution, module, what it is for: of the base installation.
_NEEDED = (
    ("numpy", "numpy", "all numbers"),
    ("pydantic", "pydantic", "results and settings"),
    ("soundfile", "soundfile", "decoding"),
    ("soxr", "soxr", "resampling"),
)
#: Distribution, module, extra that brings it, what it is for. Without a module it is not imported: that takes seconds.
_OPTIONAL = (
    ("polars", "polars", "evaluate", "reading corpora, judging scores"),
    ("matplotlib", "matplotlib", "evaluate", "reports, drawings"),
    ("av", "av", "media", "decoding M4A, video and what libsndfile refuses; codecs"),
    ("onnxruntime", "onnxruntime", "onnx", "scoring without PyTorch"),
    ("torch", "torch", "torch", "models: training, scoring, diagnosis"),
    ("transformers", "transformers", "torch", "self-supervised streams"),
    ("lightning", "lightning", "torch", "training"),
    ("scipy", "scipy", "minispoof", "building minispoof; augmentation"),
    ("pyworld-prebuilt", "pyworld", "minispoof", "WORLD attacks of minispoof"),
    ("onnxscript", None, "export", "writing ONNX"),
    ("fastapi", None, "serve", "the service"),
    ("ray", None, "ray", "scoring on a cluster"),
    ("pyroomacoustics", None, "augment", "simulated rooms"),
    ("piper-tts", None, "attacks", "neural attacks of minispoof"),
    ("mambapy", None, "bench", "a peer in benchmarks"),
    ("mlflow", None, "mlflow", "its records of training"),
    ("wandb", None, "wandb", "its records of training"),
)
_ABSENT = "not installed"


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False) -> None:
    """Look at this installation. Example: `mma doctor`. Exit code 1 when something is broken."""
    rows = [_look(*needed) for needed in _NEEDED]
    optional = [_look_for_extra(*one) for one in _OPTIONAL]
    has_torch = any(row["package"] == "torch" and row["version"] for row in optional)
    scan = _look_at_scan() if has_torch else None
    kernels = _look_at_kernels() if has_torch else None
    if as_json:
        found = {"python": platform.python_version(), "packages": rows, "optional": optional}
        print_json({**found, "scan": scan, "kernels": kernels})
    else:
        table = Table(
            "package", "version", "for", Column("to mend", overflow="fold"), title=f"Python {platform.python_version()}"
        )
        for row in rows:
            table.add_row(row["package"], row["version"] or "[red]missing[/]", row["for"], escape(row["remedy"] or ""))
        for row in optional:
            state = row["version"] or ("[red]broken[/]" if row["broken"] else "not installed")
            table.add_row(row["package"], state, row["for"], escape(row["remedy"] or ""))
        console.print(table)
        if scan is not None:
            _print_scan(scan)
        for name, choice in (kernels or {}).items():
            console.print(f"{name} on cpu: [bold]{choice['takes']}[/], {choice['because']}", highlight=False)
    if any(row["remedy"] for row in rows) or any(row["broken"] for row in optional):
        raise typer.Exit(SOME_FAILED)


def _look(distribution: str, module: str, purpose: str) -> dict[str, str | None]:
    """A package that must be there."""
    version, problem = _version(distribution, module)
    remedy = f"pip install -c constraints.txt {distribution}  ({problem})" if problem else None
    return {"package": distribution, "version": version, "for": purpose, "remedy": remedy}


def _look_for_extra(distribution: str, module: str | None, extra: str, purpose: str) -> dict[str, Any]:
    """A package of an extra: nothing is wrong where it is not installed, but where it does not load."""
    version, problem = _version(distribution, module)
    broken = problem is not None and problem != _ABSENT
    remedy = None if version else remedy_for(extra) + (f"  ({problem})" if broken else "")
    return {
        "package": distribution,
        "extra": extra,
        "version": version,
        "broken": broken,
        "for": purpose,
        "remedy": remedy,
    }


def _version(distribution: str, module: str | None) -> tuple[str | None, str | None]:
    """The version of a package that loads, or what is wrong: one that is installed may still not load."""
    try:
        version = importlib.metadata.version(distribution)
        if module is not None:
            importlib.import_module(module)
    except importlib.metadata.PackageNotFoundError:
        return None, _ABSENT
    except (ImportError, OSError) as error:
        return None, str(error)
    return version, None


def _look_at_scan() -> dict[str, Any]:
    """Which implementation of the selective scan `auto` takes on each device, and what the others lack."""
    import torch

    from moe_mamba_asv.models.scan import available_implementations, explain_automatic

    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    chosen = {device: dict(zip(("takes", "because"), explain_automatic(device), strict=True)) for device in devices}
    return {"auto": chosen, "missing": {name: why for name, why in available_implementations().items() if why}}


def _look_at_kernels() -> dict[str, dict[str, str]]:
    """Which instruction set of a compiled kernel serves on a CPU, outside training, or why PyTorch does."""
    from moe_mamba_asv.models.aasist.native import library as aasist
    from moe_mamba_asv.models.frontends.native import library as encoders

    answers = {}
    for name, room in (("AASIST", aasist), ("self-supervised encoders", encoders)):
        found = room.find_library()
        answers[name] = (
            {"takes": "PyTorch", "because": f"the kernel is {found}"}
            if isinstance(found, str)
            else {"takes": next(iter(found.variants)), "because": "the compiled kernel is there"}
        )
    return answers


def _print_scan(scan: dict[str, Any]) -> None:
    for device, choice in scan["auto"].items():
        console.print(f"selective scan on {device}: [bold]{choice['takes']}[/], {choice['because']}", highlight=False)
    for name, why in scan["missing"].items():
        console.print(f"  not here: {name}, {why}", highlight=False)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)
