"""`mma serve`: answer over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from moe_mamba_asv.cli.terminal import expected_errors

_HELP = """Serve models over HTTP; see docs/serving.md.

Examples:

    mma serve

    mma serve --model lcnn=demo/run

    mma serve --model a=runs/phase4 --model b=AASIST.pth --port 9000 --config serve.yaml

    curl -F file=@call.m4a http://127.0.0.1:8000/v1/score

Settings come from the options, over `MMA_SERVE_*` of the environment, over the file. Keys come from the environment or
the file, never from options, which every user of a machine can read.
"""


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE|RUN", help="A model to serve, again for more.", show_default="the package's"),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8000")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML file of settings.")] = None,
) -> None:
    """Serve models; see `_HELP`."""
    import os

    from moe_mamba_asv.serving.settings import load_settings, named_models

    with expected_errors():
        _require_installed()
        settings = load_settings(config, os.environ, models=named_models(model or []), host=host, port=port)
        from moe_mamba_asv.scoring.allocator import keep_freed_blocks
        from moe_mamba_asv.serving.run import serve as serve_models

        keep_freed_blocks()
        serve_models(settings)


def _require_installed() -> None:
    from importlib import import_module

    from moe_mamba_asv.errors import ConfigError

    for name in ("fastapi", "python_multipart", "uvicorn", "websockets"):
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"{name} cannot be imported: {error}", remedy="pip install 'moe-mamba-asv[serve]'"
            ) from error


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve", help=_HELP)(serve)
