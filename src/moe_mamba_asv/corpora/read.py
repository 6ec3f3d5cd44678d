"""One door to every corpus."""

import difflib
from pathlib import Path

from moe_mamba_asv.corpora.asvspoof5 import read_asvspoof5, read_asvspoof5_protocol
from moe_mamba_asv.corpora.asvspoof2019 import read_2019_protocol, read_asvspoof2019_la
from moe_mamba_asv.corpora.asvspoof2021 import read_asvspoof2021
from moe_mamba_asv.corpora.folder import read_folder
from moe_mamba_asv.corpora.in_the_wild import read_in_the_wild
from moe_mamba_asv.corpora.kinds import KIND_BY_NAME, KINDS
from moe_mamba_asv.corpora.manifest import read_manifest
from moe_mamba_asv.corpora.minispoof_layout import read_minispoof
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Partition


def read_corpus(
    kind: str,
    *,
    root: Path | None = None,
    protocol: Path | None = None,
    partition: Partition | str | None = None,
    subset: str | None = "eval",
) -> Corpus:
    """Read a corpus.

    Args:
        kind: one of `moe_mamba_asv.corpora.kinds.KINDS`.
        root: its folder (the file itself for a manifest).
        protocol: a protocol file, read instead of the one under root; without a root, labels alone.
        partition: keep only this one; None keeps all.
        subset: of ASVspoof 2021; None keeps all.

    Raises:
        CorpusError: unknown kind, a place that is not there, a malformed line, or nothing left.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        raise CorpusError(f"corpus {kind!r}", wanted=", ".join(KINDS), remedy=near[0] if near else "")
    part = None if partition is None else _partition(partition)
    corpus = _read(kind, root, protocol, part, subset)
    if part is not None:
        corpus = corpus.only(part)
    if corpus.table.is_empty():
        raise CorpusError(f"{kind} at {root or protocol} holds nothing of partition {part}", wanted="utterances")
    return corpus


def _partition(name: str) -> Partition:
    if name not in list(Partition):
        raise CorpusError(f"partition {name!r}", wanted=" | ".join(Partition))
    return Partition(name)


def _read(kind: str, root: Path | None, protocol: Path | None, part: Partition | None, subset: str | None) -> Corpus:
    match kind:
        case "asvspoof2019-la" if protocol is not None:
            return read_2019_protocol(protocol, root and _needed(root, kind))
        case "asvspoof2019-la":
            return read_asvspoof2019_la(_needed(root, kind), part)
        case "asvspoof2021-la" | "asvspoof2021-df":
            return read_asvspoof2021(kind[-2:], root=root, protocol=protocol, subset=subset)
        case "asvspoof5" if protocol is not None:
            return read_asvspoof5_protocol(protocol, root and _needed(root, kind))
        case "asvspoof5":
            return read_asvspoof5(_needed(root, kind), part)
        case "in-the-wild":
            return read_in_the_wild(root=root, protocol=protocol)
        case "folder":
            return read_folder(_needed(root, kind), part)
        case "manifest":
            return read_manifest(_needed(protocol or root, kind), part)
        case _:
            return read_minispoof(_needed(root, kind), part)


def _needed(place: Path | None, kind: str) -> Path:
    if place is None:
        raise CorpusError(f"{kind} without a place", wanted=f"--root: {KIND_BY_NAME[kind].wanted}")
    if not place.exists():
        raise CorpusError(f"no file or folder at {place}", wanted=KIND_BY_NAME[kind].wanted)
    return place
