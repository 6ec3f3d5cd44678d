"""Which extra of the installation brings a package, and the error that says so where a command lacks one."""

from importlib.util import find_spec
from typing import Any

from typer.core import TyperGroup

from moe_mamba_asv.cli.terminal import expected_errors
from moe_mamba_asv.errors import ConfigError

#: Modules that the base installation does not bring, and the extra that does.
EXTRA_OF = {
    "polars": "evaluate",
    "matplotlib": "evaluate",
    "jinja2": "evaluate",
    "PIL": "evaluate",
    "torch": "torch",
    "lightning": "torch",
    "transformers": "torch",
    "peft": "torch",
    "tensorboard": "torch",
    "safetensors": "torch",
    "huggingface_hub": "torch",
    "scipy": "torch",
    "av": "torch",
    "pyworld": "minispoof",
    "onnxruntime": "onnx",
    "onnx": "export",
    "onnxscript": "export",
    "mambapy": "bench",
}
#: Commands that go without PyTorch need less than the extra `torch` for these.
_IN_CORPUS = {"scipy": "minispoof", "av": "minispoof"}


def remedy_for(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'moe-mamba-asv[{extra}]'"


def require(module: str) -> None:
    """Ask for a package before a command begins that imports it late, or in other processes.

    A command that wants PyTorch asks for it before it reads a corpus: its extra brings polars too, and is named alone.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    if find_spec(module) is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def not_installed(error: ModuleNotFoundError, command: str | None) -> ConfigError | None:
    """What is said of an import that failed; None where no extra would mend it.

    Args:
        error: of the import. Only a package that is absent counts, and no part that an installed one lacks: that is
            a fault, and wants its traceback.
        command: of `mma`, that imported it.
    """
    module = str(error.name)
    extra = _IN_CORPUS.get(module) if command == "corpus" else None
    extra = extra or EXTRA_OF.get(module)
    if extra is None:
        return None
    needs = f"`mma {command}` needs the package {module}, which is not installed"
    remedy = remedy_for(extra)
    if command == "score" and extra == "torch":
        remedy += ", or score an exported model with --runtime onnx"
    return ConfigError(needs, remedy=remedy)


class Commands(TyperGroup):
    """All commands. They import when they run, each at its own place; a package that is missing is caught here."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was typed; a missing extra becomes one line and exit code 2."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            missing = not_installed(error, ctx.invoked_subcommand)
            if missing is None:
                raise
            with expected_errors():
                raise missing from error
