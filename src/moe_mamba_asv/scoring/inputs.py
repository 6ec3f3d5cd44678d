"""Which sounds to score, and under which names."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.errors import AudioError, CorpusError
from moe_mamba_asv.scoring.braces import expand_braces
from moe_mamba_asv.scoring.remote import content_of, is_address, list_addresses
from moe_mamba_asv.scoring.shards import SHARD_ENDING, Member, list_members, printable

if TYPE_CHECKING:
    from moe_mamba_asv.types import Corpus

#: A path, an address as `remote` has it, or a member of a shard.
Place = Path | str | Member
#: What is taken from folders and prefixes.
_TAKEN = AUDIO_ENDINGS | {SHARD_ENDING}


@dataclass(frozen=True)
class Input:
    """One sound to score: its name, and where it lies."""

    utterance: str
    path: Place

    def content(self) -> Path | bytes:
        """What decoders take: a path as it is, the content of what lies elsewhere.

        Raises:
            AudioError: it cannot be fetched, or is too large.
        """
        return self.path.content() if isinstance(self.path, Member) else content_of(self.path)


def inputs_from_corpus(corpus: "Corpus") -> list[Input]:
    """Every utterance of a corpus, in protocol order.

    Raises:
        CorpusError: the corpus was read without its audio.
    """
    if corpus.table["path"].null_count():
        raise CorpusError("a corpus without audio paths", wanted="--root, the folder that holds the audio")
    rows = corpus.table.select("utterance", "path").iter_rows()
    return [Input(utterance, Path(path)) for utterance, path in rows]


def inputs_from_paths(places: Sequence[Path | str]) -> list[Input]:
    """Files, the audio of folders, prefixes and shards, sorted within each, and what a Parquet table lists.

    A sound is named by its file name without ending, one in a shard by `Member.key`; where two share it, by their paths
    and whole names; where two members of a shard have one name, also by the byte at which each begins.

    Args:
        places: files, folders; addresses of files or prefixes; shards ``.tar``, perhaps with braces, see
            `expand_braces`; tables ``.parquet`` with a column ``path`` of any of the files, and perhaps ``utterance``,
            which names them.

    Raises:
        AudioError: a place does not exist, a table lists nothing, or nothing was found.
    """
    named: dict[Place, str | None] = {}
    for place in (one for given in places for one in _expanded(given)):
        for found, name in _sounds_of(place):
            named.setdefault(found, name)
    if not named:
        raise AudioError(
            f"no audio in {', '.join(map(str, places))}", wanted=f"files ending in {sorted(AUDIO_ENDINGS)}"
        )
    names = _names([found for found, name in named.items() if name is None])
    return [Input(names[found] if name is None else name, found) for found, name in named.items()]


def _expanded(place: Path | str) -> Iterator[Path | str]:
    """The shards that braces stand for; a file that is called so is itself, and so is all else."""
    if not str(place).lower().endswith(SHARD_ENDING) or Path(place).exists():
        return iter([place])
    return expand_braces(str(place))


def _sounds_of(place: Path | str) -> list[tuple[Place, str | None]]:
    """Every sound of a place, with its name where a table gives one."""
    if isinstance(place, str) and is_address(place):
        addresses = list_addresses(place, _TAKEN)
        if not addresses and place.lower().endswith(SHARD_ENDING):
            raise AudioError(f"no shard at {place}", wanted="a tar", remedy="check the range in its braces")
        return _opened(addresses)
    path = Path(place)
    if path.is_dir():
        return _opened(found for found in sorted(path.rglob("*")) if _is_taken(found))
    if not path.exists():
        raise AudioError(f"no file or folder at {path}", wanted="audio files, or folders of them")
    return _listed(path) if path.suffix.lower() == ".parquet" else _opened([path])


def _is_taken(path: Path) -> bool:
    ending = path.suffix.lower()
    return ending in AUDIO_ENDINGS or (ending == SHARD_ENDING and not path.is_dir())  # a shard may lie unpacked


def _opened(places: Iterable[Path | str]) -> list[tuple[Place, str | None]]:
    """Files as they are, shards as their members."""
    found: list[tuple[Place, str | None]] = []
    for place in places:
        is_shard = PurePosixPath(place).suffix.lower() == SHARD_ENDING
        found += [(member, None) for member in list_members(place)] if is_shard else [(place, None)]
    return found


def _listed(table: Path) -> list[tuple[Place, str | None]]:
    import polars as pl  # here: all other places are listed without

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


def _names(places: Sequence[Place]) -> dict[Place, str]:
    """The shortest name of each that no other has."""
    short, whole = Counter(map(_short, places)), Counter(map(_whole, places))
    names = {}
    for place in places:
        name = _short(place) if short[_short(place)] == 1 else _whole(place)
        if isinstance(place, Member) and whole[_whole(place)] > 1:
            name = f"{_whole(place)}@{place.start}"
        names[place] = printable(name)
    return names


def _short(place: Place) -> str:
    return place.key if isinstance(place, Member) else PurePosixPath(place).stem


def _whole(place: Place) -> str:
    if isinstance(place, Member):
        return place.whole
    return place if isinstance(place, str) else place.as_posix()
