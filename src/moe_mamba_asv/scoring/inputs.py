"""Which sounds to score, and under which names."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import polars as pl

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.errors import AudioError, CorpusError
from moe_mamba_asv.scoring.remote import is_address, list_addresses
from moe_mamba_asv.types import Corpus


@dataclass(frozen=True)
class Input:
    """One sound to score; ``path`` is a path, or an address as `remote` has it."""

    utterance: str
    path: Path | str


def inputs_from_corpus(corpus: Corpus) -> list[Input]:
    """Every utterance of a corpus, in protocol order.

    Raises:
        CorpusError: the corpus was read without its audio.
    """
    if corpus.table["path"].null_count():
        raise CorpusError("a corpus without audio paths", wanted="--root, the folder that holds the audio")
    rows = corpus.table.select("utterance", "path").iter_rows()
    return [Input(utterance, Path(path)) for utterance, path in rows]


def inputs_from_paths(places: Sequence[Path | str]) -> list[Input]:
    """Files, the audio files of folders and prefixes, sorted within each, and what a Parquet table lists.

    A sound is named by its file name without ending; where two share it, by their paths.

    Args:
        places: files, folders; addresses of files or prefixes; tables ``.parquet`` with a column ``path`` of any of the
            files, and perhaps ``utterance``, which names them.

    Raises:
        AudioError: a place does not exist, a table lists nothing, or nothing was found.
    """
    named: dict[Path | str, str | None] = {}
    for place in places:
        for found, name in _sounds_of(place):
            named.setdefault(found, name)
    if not named:
        raise AudioError(
            f"no audio in {', '.join(map(str, places))}", wanted=f"files ending in {sorted(AUDIO_ENDINGS)}"
        )
    shared = Counter(_stem(found) for found, name in named.items() if name is None)
    return [
        Input(_printable(found, shared[_stem(found)] > 1) if name is None else name, found)
        for found, name in named.items()
    ]


def _sounds_of(place: Path | str) -> list[tuple[Path | str, str | None]]:
    """Every sound of a place, with its name where a table gives one."""
    if isinstance(place, str) and is_address(place):
        return [(address, None) for address in list_addresses(place)]
    path = Path(place)
    if path.is_dir():
        return [(found, None) for found in sorted(path.rglob("*")) if found.suffix.lower() in AUDIO_ENDINGS]
    if not path.exists():
        raise AudioError(f"no file or folder at {path}", wanted="audio files, or folders of them")
    return _listed(path) if path.suffix.lower() == ".parquet" else [(path, None)]


def _listed(table: Path) -> list[tuple[Path | str, str | None]]:
    try:
        frame = pl.read_parquet(table)
        places = frame["path"].cast(pl.String).to_list()
        names = frame["utterance"].cast(pl.String).to_list() if "utterance" in frame.columns else [None] * len(places)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise AudioError(f"{table}: {error}", wanted="a Parquet table with a column path") from error
    if (
        None in places
        or (None in names and any(names))
        or len(set(names) - {None}) < len(names) * ("utterance" in frame)
    ):
        raise AudioError(f"{table} lists rows without a path, or names twice or not at all", wanted="one of each a row")
    return [(place if is_address(place) else Path(place), name) for place, name in zip(places, names, strict=True)]


def _stem(place: Path | str) -> str:
    return PurePosixPath(place).stem


def _printable(place: Path | str, ambiguous: bool) -> str:
    """A name that fits a column: control characters are written out."""
    whole = place if isinstance(place, str) else place.as_posix()
    name = whole if ambiguous else _stem(place)
    return name if name.isprintable() else name.encode("unicode_escape").decode()
