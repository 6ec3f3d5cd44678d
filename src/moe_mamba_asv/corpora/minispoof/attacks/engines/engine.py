"""What an attack needs that this package does not bring: programs, Python packages and their data."""

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

#: Where packages of Debian, of a person and of Homebrew put what their programs read.
_SHARED_DATA = tuple(Path(folder) for folder in ("/usr/share", "/usr/local/share", "/opt/homebrew/share"))


@dataclass(frozen=True)
class Engine:
    """A speech synthesiser or codec that a user installs.

    Attributes:
        name: as its makers write it.
        licence: of program and voices.
        install: the command that installs all of it.
        modules: top-level Python modules that must be importable.
        programs: programs that must be on the path.
        data: what must lie in a folder of shared data, as patterns such as ``festival/**/kal_diphone``.
    """

    name: str
    licence: str
    install: str
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    data: tuple[str, ...] = ()

    def missing(self) -> tuple[str, ...]:
        """Names of what is not there, in the order of the attributes; nothing is imported to find out."""
        modules = [name for name in self.modules if importlib.util.find_spec(name) is None]
        programs = [name for name in self.programs if shutil.which(name) is None]
        data = [pattern for pattern in self.data if not any(any(root.glob(pattern)) for root in _SHARED_DATA)]
        return (*modules, *programs, *data)
