"""Protocols of the official size, made and real."""

from pathlib import Path

import polars as pl
import pytest

from moe_mamba_asv.corpora.catalogue import ATTACKS_2019_LA
from moe_mamba_asv.corpora.check import check_corpus
from moe_mamba_asv.corpora.kinds import KIND_BY_NAME
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.types import Partition
from stand_in import PARTITIONS_2019, SUBSETS_DF, SUBSETS_LA, lines_2019, lines_2021_df, lines_2021_la, write_lines


def test_df_keys_of_full_size(tmp_path: Path) -> None:
    keys = write_lines(tmp_path / "keys" / "DF" / "CM" / "trial_metadata.txt", lines_2021_df(SUBSETS_DF))
    everything = read_corpus("asvspoof2021-df", root=tmp_path, subset=None)
    assert len(everything.table) == 611_829
    kept = read_corpus("asvspoof2021-df", protocol=keys)
    counted = dict(kept.table.group_by("label").len().iter_rows())
    assert counted == {"bonafide": 14_869, "spoof": 519_059}
    assert check_corpus(kept, decode_audio=False) == []


def test_la_keys_of_full_size(tmp_path: Path) -> None:
    keys = write_lines(tmp_path / "trial_metadata.txt", lines_2021_la(SUBSETS_LA))
    assert len(read_corpus("asvspoof2021-la", protocol=keys, subset=None).table) == 181_566
    assert len(read_corpus("asvspoof2021-la", protocol=keys).table) == 148_176


@pytest.mark.parametrize("partition", PARTITIONS_2019)
def test_2019_protocol_of_full_size(tmp_path: Path, partition: str) -> None:
    protocol = write_lines(tmp_path / "made.txt", lines_2019(partition, *PARTITIONS_2019[partition]))
    corpus = read_corpus("asvspoof2019-la", protocol=protocol, partition=partition)
    assert len(corpus.table) == sum(PARTITIONS_2019[partition])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "partition", "total", "per_attack", "speakers"),
    [
        ("train.trn", "train", 25_380, 3_800, 20),
        ("dev.trl", "dev", 24_844, 3_716, 20),
        ("eval.trl", "eval", 71_237, 4_914, 67),
    ],
)
def test_real_2019_protocols(
    shared: Path, name: str, partition: str, total: int, per_attack: int, speakers: int
) -> None:
    protocol = shared / "asvspoof2019" / "protocols" / f"ASVspoof2019.LA.cm.{name}.txt"
    corpus = read_corpus("asvspoof2019-la", protocol=protocol)
    assert len(corpus.table) == total
    assert set(corpus.table["partition"]) == {partition}
    assert corpus.table["speaker"].n_unique() == speakers
    counted = dict(corpus.table.group_by("label").len().iter_rows())
    official = {count.partition: count for count in KIND_BY_NAME["asvspoof2019-la"].counts}[Partition(partition)]
    assert (counted["bonafide"], counted["spoof"]) == (official.bonafide, official.spoof)
    attacks = dict(corpus.table.drop_nulls("attack").group_by("attack").len().iter_rows())
    assert set(attacks.values()) == {per_attack}
    assert set(attacks) <= set(ATTACKS_2019_LA)
    assert check_corpus(corpus, decode_audio=False) == []


@pytest.mark.shared
def test_real_2019_partitions_share_no_speaker(shared: Path) -> None:
    folder = shared / "asvspoof2019" / "protocols"
    tables = [read_corpus("asvspoof2019-la", protocol=file).table for file in sorted(folder.glob("*.cm.*.txt"))]
    homes = pl.concat(tables).group_by("speaker").agg(pl.col("partition").n_unique())
    assert homes["partition"].max() == 1
