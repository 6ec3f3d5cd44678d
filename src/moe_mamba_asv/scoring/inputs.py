"""Which sounds to score, and under which names."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.errors import AudioError, CorpusError
from moe_mamba_asv.types import Corpus


@dataclass(frozen=True)
class Input:
    """One sound to score."""

    utterance: str
    path: Path


def inputs_from_corpus(corpus: Corpus) -> list[Input]:
    """Every utterance of a corpus, in protocol order.

    Raises:
        CorpusError: the corpus was read without its audio.
    """
    if corpus.table["path"].null_count():
        raise CorpusError("a corpus without audio paths", wanted="--root, the folder that holds the audio")
    rows = corpus.table.select("utterance", "path").iter_rows()
    return [Input(utterance, Path(path)) for utterance, path in rows]


def inputs_from_paths(paths: Sequence[Path]) -> list[Input]:
    """Files, and the audio files of folders, sorted within each folder.

    A sound is named by its file name without ending; where two share it, by their paths.

    Raises:
        AudioError: a path does not exist, or nothing was found.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files.update((found, None) for found in sorted(path.rglob("*")) if found.suffix.lower() in AUDIO_ENDINGS)
        elif path.exists():
            files[path] = None
        else:
            raise AudioError(f"no file or folder at {path}", wanted="audio files, or folders of them")
    if not files:
        raise AudioError(f"no audio in {', '.join(map(str, paths))}", wanted=f"files ending in {sorted(AUDIO_ENDINGS)}")
    shared_stems = Counter(file.stem for file in files)
    return [Input(_printable(file, shared_stems[file.stem] > 1), file) for file in files]


def _printable(file: Path, ambiguous: bool) -> str:
    """A name that fits a column: control characters are written out."""
    name = file.as_posix() if ambiguous else file.stem
    return name if name.isprintable() else name.encode("unicode_escape").decode()
