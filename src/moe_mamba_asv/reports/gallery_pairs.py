"""Which sounds of a built minispoof corpus a person should hear: spoofs and the originals they were made of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from moe_mamba_asv.corpora.asvspoof2019 import read_2019_layout
from moe_mamba_asv.corpora.minispoof_layout import LAYOUT_MINISPOOF, RECORDINGS_FILE
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.evaluation.base import misfit
from moe_mamba_asv.types import Label, Partition

_BUILD_AGAIN = "build the corpus again, into a new folder"
#: Stands for bona fide speech among the ids of attacks.
BONAFIDE = Label.BONAFIDE.value


class DescribedAttack(BaseModel):
    """An attack as the corpus describes it.

    Attributes:
        id: as the protocols name it.
        kind: ``TTS``, ``VC``, ``copy-synthesis``.
        system: model or method.
        waveform: how the waveform is made.
        known: whether the algorithm is among the training attacks.
        engines: programs and packages that made it, each with its licence; empty where the builder itself did.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    system: str
    waveform: str
    known: bool
    engines: tuple[str, ...]


class Description(BaseModel):
    """What a gallery needs of ``corpus.json``.

    Attributes:
        kind: must be ``minispoof``.
        recipe_version: of the build.
        seed: of the build.
        source: name of the speech; ``embedded`` is that inside this package.
        licence: of the speech.
        attacks: those that the corpus holds.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    recipe_version: int
    seed: int
    source: str
    licence: tuple[str, ...]
    attacks: tuple[DescribedAttack, ...]


@dataclass(frozen=True)
class Trial:
    """One sound of the corpus: its name and its file, which may be absent."""

    utterance: str
    path: Path


@dataclass(frozen=True)
class Pair:
    """A spoof and its original.

    Attributes:
        original: bona fide.
        spoof: of the same recording.
        speaker: of the recording; None where the protocol does not tell.
        partition: that holds both.
        recording: its name in the speech that the corpus was built from.
    """

    original: Trial
    spoof: Trial
    speaker: str | None
    partition: str
    recording: str


@dataclass(frozen=True)
class BuiltCorpus:
    """A minispoof tree as a gallery sees it.

    Attributes:
        description: with the attacks in the order of their ids.
        counts: trials by attack id, or `BONAFIDE`, and partition.
        pairs: by attack id; empty where the corpus holds no trial of it.
    """

    description: Description
    counts: dict[str, dict[Partition, int]]
    pairs: dict[str, list[Pair]]


def read_built_corpus(root: Path) -> BuiltCorpus:
    """Read descriptions, protocols and recordings; no sound is opened.

    Args:
        root: folder that `mma corpus build minispoof` wrote.

    Raises:
        CorpusError: the folder holds no finished minispoof corpus, or one of an older build, or its files disagree.
    """
    description = _read_description(root)
    table = read_2019_layout(LAYOUT_MINISPOOF, root, None, {}).table.join(_recordings(root), on="utterance", how="left")
    nameless = table.filter(pl.col("recording").is_null())
    if not nameless.is_empty():
        raise CorpusError(
            f"{root / RECORDINGS_FILE} does not tell the recording of {len(nameless):,} trials, "
            f"the first being {nameless['utterance'][0]}",
            wanted="a line for each trial of the protocols",
            remedy=_BUILD_AGAIN,
        )
    names = [attack.id for attack in description.attacks]
    if strange := sorted(set(table["attack"].drop_nulls()) - set(names)):
        raise CorpusError(
            f"the protocols hold attacks that corpus.json lacks: {', '.join(strange)}", remedy=_BUILD_AGAIN
        )
    return BuiltCorpus(description, _counts(table, names), {name: _pairs(table, name) for name in names})


def choose_pairs(pairs: Sequence[Pair], num: int, rng: np.random.Generator, shown: Counter[str]) -> list[Pair]:
    """Draw pairs, those first whose speaker, and then whose recording, was shown least.

    Args:
        pairs: of one attack.
        num: at most this many.
        rng: decides between equals.
        shown: how often each speaker and recording was chosen before; what is chosen now is added.

    Returns:
        In the order of choice; no pair twice.
    """
    waiting = [pairs[index] for index in rng.permutation(len(pairs))]
    chosen: list[Pair] = []
    here: Counter[str | None] = Counter()

    def how_often(pair: Pair) -> tuple[int, int, int]:
        return here[pair.speaker], shown[f"speaker {pair.speaker}"], shown[f"recording {pair.recording}"]

    while waiting and len(chosen) < num:
        best = min(waiting, key=how_often)
        waiting.remove(best)
        chosen.append(best)
        here[best.speaker] += 1
        shown.update([f"speaker {best.speaker}", f"recording {best.recording}"])
    return chosen


def _read_description(root: Path) -> Description:
    path = root / "corpus.json"
    remedy = f"mma corpus build minispoof --out {root}"
    if not path.is_file():
        raise CorpusError(f"{root} holds no corpus.json", wanted="a finished minispoof corpus", remedy=remedy)
    try:
        description = Description.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CorpusError(
            misfit(path, error),
            wanted="the corpus.json of a minispoof corpus built by this version",
            remedy=_BUILD_AGAIN,
        ) from error
    if description.kind != "minispoof":
        raise CorpusError(f"{path} describes a corpus of kind {description.kind!r}", wanted="minispoof", remedy=remedy)
    attacks = tuple(sorted(description.attacks, key=lambda attack: attack.id))
    return description.model_copy(update={"attacks": attacks})


def _recordings(root: Path) -> pl.DataFrame:
    """Columns ``utterance`` (unique) and ``recording``."""
    # utterance,attack,recording
    # MS_T_1000007,A02,allison_001
    path = root / RECORDINGS_FILE
    if not path.is_file():
        raise CorpusError(
            f"{root} holds no {RECORDINGS_FILE}, which tells which trials are of one recording: an older build",
            wanted="a corpus built by this version",
            remedy=_BUILD_AGAIN,
        )
    try:
        table = pl.read_csv(path, columns=["utterance", "recording"], infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise CorpusError(f"{path}: {error}", wanted="utterance,attack,recording", remedy=_BUILD_AGAIN) from error
    if table["utterance"].is_duplicated().any():
        raise CorpusError(f"{path} lists an utterance twice", wanted="one line each", remedy=_BUILD_AGAIN)
    return table


def _counts(table: pl.DataFrame, names: Sequence[str]) -> dict[str, dict[Partition, int]]:
    attack = pl.col("attack").fill_null(BONAFIDE)
    met = {(name, part): num for name, part, num in table.group_by(attack, "partition").len().iter_rows()}
    return {name: {part: met.get((name, part.value), 0) for part in Partition} for name in (BONAFIDE, *names)}


def _pairs(table: pl.DataFrame, attack: str) -> list[Pair]:
    """Pairs of one attack in the order of the protocols."""
    originals = table.filter(pl.col("label") == BONAFIDE).select("recording", "partition", "utterance", "path")
    spoofs = table.filter(pl.col("attack") == attack)
    joined = spoofs.join(originals, on=["recording", "partition"], suffix="_original", maintain_order="left")
    return [
        Pair(
            original=Trial(row["utterance_original"], Path(row["path_original"])),
            spoof=Trial(row["utterance"], Path(row["path"])),
            speaker=row["speaker"],
            partition=row["partition"],
            recording=row["recording"],
        )
        for row in joined.iter_rows(named=True)
    ]
