"""What a report is about: score files, or run folders with everything that lies in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moe_mamba_asv.diagnostics.results.diagnosis import FILE_NAME
from moe_mamba_asv.errors import ScoreError


@dataclass(frozen=True)
class Subject:
    """One system.

    Attributes:
        scores: its score file of the partition that is judged.
        name: of the run folder; empty for a bare score file.
        dev_scores: its score file of dev; None where there is none.
        run: folder with the records of its training; None where there is none.
        diagnosis: what `mma diagnose` wrote; None where there is none.
    """

    scores: Path
    name: str = ""
    dev_scores: Path | None = None
    run: Path | None = None
    diagnosis: Path | None = None


def find_subjects(paths: Sequence[Path], partition: str) -> list[Subject]:
    """A score file is itself; a folder is a run, whose score file is called after the partition, as ``eval.tsv``.

    Args:
        paths: score files and run folders.
        partition: that is judged.

    Raises:
        ScoreError: a path that is not there, or a folder without the score file.
    """
    return [_of_folder(path, partition) if path.is_dir() else _of_file(path) for path in paths]


def _of_file(path: Path) -> Subject:
    if not path.is_file():
        raise ScoreError(f"no file or folder at {path}", wanted="score files, or run folders")
    return Subject(path)


def _of_folder(folder: Path, partition: str) -> Subject:
    scores = folder / f"{partition}.tsv"
    if not scores.is_file():
        raise ScoreError(
            f"run folder {folder} without {scores.name}",
            wanted=f"its scores of {partition}",
            remedy=f"mma score --model {folder} --partition {partition} --out {scores} --corpus … --root …",
        )
    dev, diagnosis = folder / "dev.tsv", folder / FILE_NAME
    return Subject(
        scores=scores,
        name=folder.resolve().name,
        dev_scores=dev if partition != "dev" and dev.is_file() else None,
        run=folder if (folder / "metrics.csv").is_file() else None,
        diagnosis=diagnosis if diagnosis.is_file() else None,
    )
