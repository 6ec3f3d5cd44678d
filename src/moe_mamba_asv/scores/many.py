"""A folder of score files, one a system."""

from collections import Counter
from os import PathLike
from pathlib import Path

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.scores.read import read_scores
from moe_mamba_asv.scores.table import ScoreTable, name_some

MAX_SYSTEMS = 1000
#: All tables of a folder are in memory together.
MAX_FOLDER_BYTES = 1 << 30


class Systems(dict[str, ScoreTable]):
    """Score tables by the name of their system, in order of name.

    Attributes:
        refused: why a file is not among them, by file name.
    """

    def __init__(self, tables: dict[str, ScoreTable], refused: dict[str, ScoreError]) -> None:
        super().__init__(tables)
        self.refused = refused


def read_systems(folder: str | PathLike[str]) -> Systems:
    """Read every file of a folder as the scores of one system.

    A file that cannot be read is listed in `Systems.refused` and does not stop the others. A system is called as its
    file without the last ending, or as the whole file where two would be called the same. Folders inside and hidden
    files are left alone.

    Args:
        folder: at most `MAX_SYSTEMS` files of `MAX_FOLDER_BYTES` together.

    Raises:
        ScoreError: no such folder, too much in it, or not one file that can be read (says why for the first).
    """
    place = Path(folder)
    if not place.is_dir():
        raise ScoreError(f"{place} is not a folder", wanted="a folder with a score file for each system")
    files = sorted(file for file in place.iterdir() if file.is_file() and not file.name.startswith("."))
    _refuse_too_much(place, files)
    stems = Counter(file.stem for file in files)
    tables: dict[str, ScoreTable] = {}
    refused: dict[str, ScoreError] = {}
    for file in files:
        try:
            tables[file.stem if stems[file.stem] == 1 else file.name] = read_scores(file)
        except ScoreError as error:
            refused[file.name] = error
    if not tables:
        first = f"{next(iter(refused.values()))}" if refused else "it has no files"
        raise ScoreError(f"{place}: not one of {len(files)} files can be read; {first}", wanted="score files")
    return Systems(tables, refused)


def _refuse_too_much(place: Path, files: list[Path]) -> None:
    size = sum(file.stat().st_size for file in files)
    if len(files) > MAX_SYSTEMS or size > MAX_FOLDER_BYTES:
        largest = name_some([file.name for file in sorted(files, key=lambda file: -file.stat().st_size)], 3)
        raise ScoreError(
            f"{place} has {len(files):,} files of {size:,} bytes, the largest {largest}",
            wanted=f"at most {MAX_SYSTEMS:,} files of {MAX_FOLDER_BYTES:,} bytes together",
        )
