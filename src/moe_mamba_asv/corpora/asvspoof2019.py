"""ASVspoof 2019 LA, and every tree that is laid out like it.

LA/ASVspoof2019_LA_train/flac/LA_T_1138215.flac                  (also _dev, _eval)
LA/ASVspoof2019_LA_cm_protocols/ASVspoof2019.LA.cm.train.trn.txt (also dev.trl, eval.trl)
LA/ASVspoof2019_LA_asv_scores/ASVspoof2019.LA.asv.eval.gi.trl.scores.txt
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from moe_mamba_asv.corpora.catalogue import ATTACKS_2019_LA
from moe_mamba_asv.corpora.protocol import in_folder, in_partition_folders, read_words, stack, utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Attack, Corpus, Partition

# LA_0079 LA_T_1138215 - - bonafide
# LA_0069 LA_D_1047731 - A01 spoof
# LA_0039 LA_E_2834763 - A11 spoof
_COLUMNS = ("speaker", "utterance", "_", "attack", "label")

_LISTS = {Partition.TRAIN: "train.trn", Partition.DEV: "dev.trl", Partition.EVAL: "eval.trl"}


@dataclass(frozen=True)
class Layout:
    """Names of the folders and files of a tree.

    Attributes:
        kind: of corpus.
        folders: prefix of the folders, e.g. ``ASVspoof2019_LA``.
        files: prefix of the protocol files, e.g. ``ASVspoof2019.LA``.
    """

    kind: str
    folders: str
    files: str

    def protocol(self, root: Path, partition: Partition) -> Path:
        """The protocol file of a partition."""
        return root / f"{self.folders}_cm_protocols" / f"{self.files}.cm.{_LISTS[partition]}.txt"

    def audio(self, root: Path, partition: Partition) -> Path:
        """The folder that holds the FLAC files of a partition."""
        return root / f"{self.folders}_{partition.value}" / "flac"


LAYOUT_2019_LA = Layout("asvspoof2019-la", "ASVspoof2019_LA", "ASVspoof2019.LA")


def read_2019_layout(layout: Layout, root: Path, partition: Partition | None, attacks: Mapping[str, Attack]) -> Corpus:
    """Read one partition of a tree, or all three.

    Raises:
        CorpusError: the tree is not there, or a line is malformed.
    """
    wanted = list(Partition) if partition is None else [partition]
    sources = [layout.protocol(root, part) for part in wanted]
    missing = [source for source in sources if not source.is_file()]
    if missing:
        raise CorpusError(
            f"no protocol at {missing[0]}",
            wanted=f"the folder that holds {layout.folders}_cm_protocols/ and {layout.folders}_eval/flac/",
            remedy="--root with that folder",
        )
    tables = [
        utterance_table(
            read_words(source, _COLUMNS).with_columns(
                in_folder(layout.audio(root, part), ".flac"), partition=pl.lit(part.value)
            ),
            source,
        )
        for source, part in zip(sources, wanted, strict=True)
    ]
    return Corpus(layout.kind, stack(tables, sources), attacks, tuple(sources))


def read_asvspoof2019_la(root: Path, partition: Partition | None) -> Corpus:
    """Read the official tree; ``root`` is ``LA`` or the folder that holds it."""
    return read_2019_layout(LAYOUT_2019_LA, _inner(root), partition, ATTACKS_2019_LA)


def _inner(root: Path) -> Path:
    return root / "LA" if (root / "LA").is_dir() else root


def read_2019_protocol(protocol: Path, root: Path | None) -> Corpus:
    """Read a protocol file instead of the official ones; without ``root``, labels alone.

    The partition is that of the utterance's name (``LA_T_``, ``LA_D_``, ``LA_E_``), or else that of the file's
    name, or else eval.
    """
    named = next((part for part in Partition if f".{part.value}." in protocol.name), Partition.EVAL)
    letter = pl.col("utterance").str.extract(r"^[A-Z]+_([TDE])_", 1)
    by_letter = letter.replace_strict({p.value[0].upper(): p.value for p in Partition}, default=named.value)
    frame = read_words(protocol, _COLUMNS).with_columns(by_letter.alias("partition"))
    if root is not None:
        folders = {part: LAYOUT_2019_LA.audio(_inner(root), part) for part in Partition}
        frame = frame.with_columns(in_partition_folders(folders, ".flac"))
    return Corpus(LAYOUT_2019_LA.kind, utterance_table(frame, protocol), ATTACKS_2019_LA, (protocol,))
