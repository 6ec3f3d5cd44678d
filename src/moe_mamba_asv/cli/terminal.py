"""What every command does alike: errors, JSON on stdout, progress on stderr, exit codes."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from moe_mamba_asv.errors import MmaError

#: Exit codes: everything done; some inputs failed; wrong use (also what typer itself answers).
DONE, SOME_FAILED, WRONG_USE = 0, 1, 2

console = Console()
stderr = Console(stderr=True)


def print_json(value: Any) -> None:
    """Write one JSON document to stdout, for machines."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def typed_command(context: typer.Context) -> str:
    """The command that is running, with all its options, and without the folders of this machine.

    Options of output alone (``--json``) and those without a value are left out.
    """
    words = ["mma", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        flag = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
        if parameter.name == "as_json" or value is None or value is False:
            continue
        for one in value if isinstance(value, list | tuple) else [value]:
            words += flag
            words += [] if one is True else [_named(one)]
    return shlex.join(words)


def _named(value: object) -> str:
    """A value as a word; a path, also one that is given as text, by its name."""
    is_path = isinstance(value, Path) or (isinstance(value, str) and Path(value).exists())
    return Path(str(value)).resolve().name if is_path else str(value)


@contextmanager
def expected_errors() -> Iterator[None]:
    """Turn an expected failure, or a disk that refuses, into one readable line on stderr and exit code 2."""
    try:
        yield
    except (MmaError, OSError) as error:
        # Escaped: a message may name an extra in brackets, which Rich would take for a style.
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(WRONG_USE) from error


def progress_bar() -> Progress:
    """A progress bar on stderr; it stays silent where stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        disable=not stderr.is_terminal,
    )
