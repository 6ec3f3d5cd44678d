"""ASVspoof 5, Track 1: detection without speaker verification.

    ASVspoof5_protocols/ASVspoof5.train.tsv   flac_T/T_0000000000.flac
    ASVspoof5_protocols/ASVspoof5.dev.track_1.tsv   flac_D/D_0000000001.flac
    ASVspoof5_protocols/ASVspoof5.eval.track_1.tsv  flac_E_eval/E_0000000019.flac

The ``.tsv`` files are separated by spaces.
"""

from pathlib import Path

import polars as pl

from moe_mamba_asv.corpora.protocol import in_folder, read_words, utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Partition

# T_4850 T_0000000000 F - - - AC3 A05 spoof -
# D_0062 D_0000000001 F - - - AC1 A11 spoof -
# E_1607 E_0009538969 M C05 4 - - - bonafide -
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
        source = root / "ASVspoof5_protocols" / name
        if not source.is_file():
            raise CorpusError(
                f"no protocol at {source}", wanted="ASVspoof5_protocols/ beside flac_T, flac_D, flac_E_eval"
            )
        frame = read_words(source, _COLUMNS)
        tables.append(frame.with_columns(in_folder(root / folder, ".flac"), partition=pl.lit(part.value)))
        sources.append(source)
    return Corpus("asvspoof5", utterance_table(pl.concat(tables), sources[0]), {}, tuple(sources))


def read_asvspoof5_protocol(protocol: Path) -> Corpus:
    """Read a protocol file alone; the partition is the first letter of an utterance."""
    partition = (
        pl.col("utterance")
        .str.slice(0, 1)
        .replace_strict({part.value[0].upper(): part.value for part in Partition}, default=Partition.EVAL.value)
    )
    frame = read_words(protocol, _COLUMNS).with_columns(partition.alias("partition"))
    return Corpus("asvspoof5", utterance_table(frame, protocol), {}, (protocol,))
