"""ASVspoof 5, Track 1: detection without speaker verification.

    ASVspoof5_protocols/ASVspoof5.train.tsv         flac_T/T_0000000000.flac
    ASVspoof5_protocols/ASVspoof5.dev.track_1.tsv   flac_D/D_0000000001.flac
    ASVspoof5_protocols/ASVspoof5.eval.track_1.tsv  flac_E_eval/E_0000000019.flac

The ``.tsv`` files are separated by spaces; they may also lie beside the folders of audio.
"""

from pathlib import Path

import polars as pl

from moe_mamba_asv.corpora.protocol import in_folder, in_partition_folders, read_words, stack, utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Partition

# T_4850 T_0000000000 F - - - AC3 A05 spoof -
# D_0062 D_0000000001 F - - - AC1 A11 spoof -
# E_1607 E_0009538969 M C05 2 E_0009486171 AC1 A26 spoof -
_COLUMNS = (
    *("speaker", "utterance", "sex", "codec", "codec_quality", "_codec_seed"),
    *("attack_tag", "attack", "label", "_temporary"),
)

_FILES = {
    Partition.TRAIN: ("ASVspoof5.train.tsv", "flac_T"),
    Partition.DEV: ("ASVspoof5.dev.track_1.tsv", "flac_D"),
    Partition.EVAL: ("ASVspoof5.eval.track_1.tsv", "flac_E_eval"),
}


def read_asvspoof5(root: Path, partition: Partition | None) -> Corpus:
    """Read one partition of the official tree, or all three."""
    tables, sources = [], []
    for part in Partition if partition is None else [partition]:
        name, folder = _FILES[part]
        source = _find_protocol(root, name)
        frame = read_words(source, _COLUMNS)
        frame = frame.with_columns(in_folder(root / folder, ".flac"), partition=pl.lit(part.value))
        tables.append(utterance_table(frame, source))
        sources.append(source)
    return Corpus("asvspoof5", stack(tables, sources), {}, tuple(sources))


def _find_protocol(root: Path, name: str) -> Path:
    for place in (root / "ASVspoof5_protocols" / name, root / name):
        if place.is_file():
            return place
    raise CorpusError(
        f"no {name} in {root}/ASVspoof5_protocols or {root}",
        wanted="the protocols beside flac_T, flac_D, flac_E_eval",
        remedy="--root with the folder that holds them",
    )


def read_asvspoof5_protocol(protocol: Path, root: Path | None) -> Corpus:
    """Read a protocol file instead of the official ones; without ``root``, labels alone.

    The partition is the first letter of an utterance.
    """
    partition = (
        pl.col("utterance")
        .str.slice(0, 1)
        .replace_strict({part.value[0].upper(): part.value for part in Partition}, default=Partition.EVAL.value)
    )
    frame = read_words(protocol, _COLUMNS).with_columns(partition.alias("partition"))
    if root is not None:
        folders = {part: root / folder for part, (_, folder) in _FILES.items()}
        frame = frame.with_columns(in_partition_folders(folders, ".flac"))
    return Corpus("asvspoof5", utterance_table(frame, protocol), {}, (protocol,))
