"""What an attack needs that this package does not bring: programs, Python packages and their data."""

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Engine:
    """A speech synthesiser or codec that a user installs.

    Attributes:
        name: as its makers write it.
        licence: of program and voices.
        install: the command that installs all of it.
        modules: top-level Python modules that must be importable.
        programs: programs that must be on the path.
        data: what must lie in the folder ``share`` beside that of the first program, as patterns such as
            ``festival/**/kal_diphone``.
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
        return (*modules, *programs, *self._missing_data())

    def _missing_data(self) -> tuple[str, ...]:
        found = shutil.which(self.programs[0]) if self.programs else None
        if found is None:
            return self.data
        share = Path(found).absolute().parents[1] / "share"
        return tuple(pattern for pattern in self.data if not any(share.glob(pattern)))
