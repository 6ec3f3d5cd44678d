"""Every reader on a tree or line of the official form, and on what is malformed."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from moe_mamba_asv.corpora.kinds import KINDS
from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import UTTERANCE_SCHEMA, Corpus, Partition
from stand_in import asvspoof2019_tree, asvspoof2021_tree

LINE_2019 = "LA_0039 LA_E_2834763 - A11 spoof"
LINE_2021_LA = "LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval"
LINE_2021_LA_BONAFIDE = "LA_0020 LA_E_7294490 g722 loc_tx bonafide bonafide notrim eval"
LINE_2021_DF = "LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -"
LINE_5_TRAIN = "T_4850 T_0000000000 F - - - AC3 A05 spoof -"
LINE_5_DEV = "D_0461 D_0000000190 M - - - - bonafide bonafide -"
LINE_5_EVAL = "E_1607 E_0009538969 M C05 2 E_0009486171 AC1 A26 spoof -"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2019)


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def row(corpus: Corpus, utterance: str) -> dict[str, str | None]:
    return corpus.table.row(by_predicate=pl.col("utterance") == utterance, named=True)


def assert_well_formed(corpus: Corpus) -> None:
    assert corpus.table.columns[: len(UTTERANCE_SCHEMA)] == list(UTTERANCE_SCHEMA)
    assert set(corpus.table.dtypes) == {pl.String}
    assert corpus.table["utterance"].is_unique().all()
    assert corpus.table.filter(label="bonafide")["attack"].null_count() == len(corpus.table.filter(label="bonafide"))


@pytest.mark.parametrize("inside", ["", "LA"])
def test_2019_root_is_la_or_its_parent(tmp_path: Path, rng: np.random.Generator, inside: str) -> None:
    corpus = read_corpus("asvspoof2019-la", root=asvspoof2019_tree(tmp_path, rng) / inside)
    assert_well_formed(corpus)
    counted = {(part, label): n for part, label, n in corpus.table.group_by("partition", "label").len().iter_rows()}
    assert counted == {(part, label): n for part in Partition for label, n in (("bonafide", 6), ("spoof", 13))}
    assert all(Path(path).is_file() for path in corpus.table["path"])
    assert corpus.attacks["A16"].known


def test_2019_reads_one_partition_where_the_others_are_absent(tmp_path: Path, rng: np.random.Generator) -> None:
    root = asvspoof2019_tree(tmp_path, rng, {"eval": (3, 13)})
    corpus = read_corpus("asvspoof2019-la", root=root, partition=Partition.EVAL)
    assert set(corpus.table["partition"]) == {"eval"}
    assert len(corpus.table) == 16


@pytest.mark.parametrize(
    ("name", "line", "partition"),
    [
        ("any.txt", "LA_0079 LA_T_1138215 - - bonafide", "train"),
        ("any.txt", "LA_0069 LA_D_1047731 - - bonafide", "dev"),
        ("ASVspoof2019.LA.cm.train.trn.txt", LINE_2019, "eval"),
        ("mine.cm.dev.trl.txt", "anna clip1 - - bonafide", "dev"),
        ("any.txt", "anna clip1 - - bonafide", "eval"),
    ],
)
def test_2019_protocol_alone_tells_the_partition(tmp_path: Path, name: str, line: str, partition: str) -> None:
    corpus = read_corpus("asvspoof2019-la", protocol=write(tmp_path / name, line))
    assert corpus.table["partition"].to_list() == [partition]
    assert corpus.table["path"].to_list() == [None]


def test_2021_la_conditions(tmp_path: Path) -> None:
    keys = write(tmp_path / "trial_metadata.txt", LINE_2021_LA, LINE_2021_LA_BONAFIDE)
    corpus = read_corpus("asvspoof2021-la", protocol=keys)
    assert_well_formed(corpus)
    spoof = row(corpus, "LA_E_9332881")
    assert (spoof["attack"], spoof["codec"], spoof["transmission"]) == ("A07", "alaw", "ita_tx")
    assert (spoof["trim"], spoof["subset"], spoof["partition"]) == ("notrim", "eval", "eval")
    assert row(corpus, "LA_E_7294490")["label"] == "bonafide"


def test_2021_df_conditions(tmp_path: Path) -> None:
    corpus = read_corpus("asvspoof2021-df", protocol=write(tmp_path / "keys.txt", LINE_2021_DF), subset="progress")
    spoof = row(corpus, "DF_E_2000011")
    assert (spoof["compression"], spoof["source"], spoof["vocoder"]) == ("nocodec", "asvspoof", "traditional_vocoder")
    assert (spoof["speaker"], spoof["attack"], spoof["subset"]) == ("LA_0023", "A14", "progress")
    assert corpus.conditions == ["compression", "source", "trim", "subset", "vocoder"]


@pytest.mark.parametrize("track", ["LA", "DF"])
def test_2021_keeps_eval_unless_told_otherwise(tmp_path: Path, rng: np.random.Generator, track: str) -> None:
    kind, root = f"asvspoof2021-{track.lower()}", asvspoof2021_tree(tmp_path, track, rng)
    kept = read_corpus(kind, root=root)
    assert set(kept.table["subset"]) == {"eval"}
    assert len(kept.table) == 28
    assert "28" in " ".join(kept.notes)
    assert "41" in " ".join(kept.notes)
    assert len(read_corpus(kind, root=root, subset="progress").table) == 8
    everything = read_corpus(kind, root=root, subset=None)
    assert_well_formed(everything)
    assert len(everything.table) == 41
    assert all(Path(path).is_file() for path in everything.table["path"])


def test_2021_has_no_training_data(tmp_path: Path, rng: np.random.Generator) -> None:
    with pytest.raises(CorpusError, match="train"):
        read_corpus("asvspoof2021-la", root=asvspoof2021_tree(tmp_path, "LA", rng), partition="train")


def test_2021_names_the_subsets(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="progress"):
        read_corpus("asvspoof2021-la", protocol=write(tmp_path / "keys.txt", LINE_2021_LA), subset="evaluation")


@pytest.mark.parametrize("folder", ["ASVspoof5_protocols", ""])
def test_asvspoof5_tree(tmp_path: Path, folder: str) -> None:
    protocols = tmp_path / folder
    write(protocols / "ASVspoof5.train.tsv", LINE_5_TRAIN)
    write(protocols / "ASVspoof5.dev.track_1.tsv", LINE_5_DEV)
    write(protocols / "ASVspoof5.eval.track_1.tsv", LINE_5_EVAL)
    corpus = read_corpus("asvspoof5", root=tmp_path)
    assert_well_formed(corpus)
    assert corpus.table["partition"].to_list() == ["train", "dev", "eval"]
    assert row(corpus, "D_0000000190")["attack"] is None
    spoof = row(corpus, "E_0009538969")
    assert (spoof["attack"], spoof["codec"], spoof["codec_quality"], spoof["sex"]) == ("A26", "C05", "2", "M")
    assert [Path(path).parent.name for path in corpus.table["path"]] == ["flac_T", "flac_D", "flac_E_eval"]


@pytest.mark.parametrize(("line", "partition"), [(LINE_5_TRAIN, "train"), (LINE_5_DEV, "dev"), (LINE_5_EVAL, "eval")])
def test_asvspoof5_protocol_alone(tmp_path: Path, line: str, partition: str) -> None:
    corpus = read_corpus("asvspoof5", protocol=write(tmp_path / "some.tsv", line))
    assert corpus.table["partition"].to_list() == [partition]


@pytest.mark.parametrize(
    ("kind", "lines", "paths"),
    [
        ("asvspoof2019-la", [LINE_2019], ["LA/ASVspoof2019_LA_eval/flac/LA_E_2834763.flac"]),
        ("asvspoof5", [LINE_5_TRAIN, LINE_5_DEV], ["flac_T/T_0000000000.flac", "flac_D/D_0000000190.flac"]),
    ],
)
def test_protocol_and_root_together(tmp_path: Path, kind: str, lines: list[str], paths: list[str]) -> None:
    (tmp_path / "LA").mkdir()
    protocol = write(tmp_path / "mine.txt", *lines)
    corpus = read_corpus(kind, root=tmp_path, protocol=protocol)
    assert corpus.table["path"].to_list() == [str(tmp_path / path) for path in paths]
    assert corpus.sources == (protocol,)
    with pytest.raises(CorpusError, match="nowhere"):
        read_corpus(kind, root=tmp_path / "nowhere", protocol=protocol)


@pytest.mark.parametrize("inside", ["", "release_in_the_wild"])
def test_in_the_wild(tmp_path: Path, inside: str) -> None:
    lines = ("file,speaker,label", "0.wav,Alec Guinness,spoof", "4.wav,Christopher Hitchens,bona-fide")
    write(tmp_path / inside / "meta.csv", *lines)
    corpus = read_corpus("in-the-wild", root=tmp_path)
    assert_well_formed(corpus)
    assert corpus.table["label"].to_list() == ["spoof", "bonafide"]
    assert corpus.table["speaker"].to_list() == ["Alec Guinness", "Christopher Hitchens"]
    assert corpus.table["path"][0] == str(tmp_path / inside / "0.wav")


def test_folder_pair_with_nested_files(tmp_path: Path) -> None:
    for name in ("bonafide/anna/1.wav", "spoof/X01/anna/1.FLAC", "spoof/X02/1.mp3", "bonafide/notes.txt"):
        write(tmp_path / name, "")
    corpus = read_corpus("folder", root=tmp_path)
    assert_well_formed(corpus)
    assert sorted(corpus.table["label"]) == ["bonafide", "spoof", "spoof"]
    assert set(corpus.table["attack"].drop_nulls()) == {"X01", "X02"}
    assert set(corpus.table["partition"]) == {"eval"}


def test_folder_pair_in_partitions(tmp_path: Path) -> None:
    for name in ("train/bonafide/1.wav", "dev/bonafide/1.wav", "eval/spoof/X01/1.wav"):
        write(tmp_path / name, "")
    corpus = read_corpus("folder", root=tmp_path)
    assert sorted(corpus.table["partition"]) == ["dev", "eval", "train"]
    assert len(read_corpus("folder", root=tmp_path, partition="dev").table) == 1


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_manifest(tmp_path: Path, ending: str) -> None:
    rows = {"utterance": ["a", "b"], "path": ["x/a.wav", "/elsewhere/b.wav"], "label": ["bonafide", "spoof"]}
    table = pl.DataFrame({**rows, "attack": [None, "X01"], "partition": ["train", "eval"], "room": ["hall", "car"]})
    manifest = tmp_path / f"mine.{ending}"
    if ending == "parquet":
        table.write_parquet(manifest)
    else:
        table.write_csv(manifest, separator="," if ending == "csv" else "\t")
    for corpus in (read_corpus("manifest", root=manifest), read_corpus("manifest", protocol=manifest)):
        assert_well_formed(corpus)
        assert corpus.conditions == ["room"]
        assert row(corpus, "a")["path"] == str(tmp_path / "x" / "a.wav")
        assert row(corpus, "b")["path"] == "/elsewhere/b.wav"
        assert row(corpus, "b")["room"] == "car"


def test_manifest_takes_other_words_for_the_labels(tmp_path: Path) -> None:
    words = ("Bona-Fide", "GENUINE", "real", "bonafide", "Fake", "SPOOF", "")
    manifest = write(tmp_path / "mine.csv", "utterance,label", *(f"u{n},{word}" for n, word in enumerate(words)), "")
    corpus = read_corpus("manifest", root=manifest)
    assert corpus.table["label"].to_list() == ["bonafide"] * 4 + ["spoof"] * 2 + [None]


def test_manifest_needs_an_id(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="utterance"):
        read_corpus("manifest", root=write(tmp_path / "mine.csv", "file,label", "a.wav,spoof"))


def test_minispoof_tree(tmp_path: Path) -> None:
    attack = {"id": "M01", "kind": "copy-synthesis", "system": "WORLD", "waveform": "WORLD", "known": False}
    (tmp_path / "corpus.json").write_text(json.dumps({"attacks": [attack], "seed": 0}))
    write(tmp_path / "minispoof_cm_protocols" / "minispoof.cm.eval.trl.txt", "anna MS_E_1 - M01 spoof")
    corpus = read_corpus("minispoof", root=tmp_path, partition="eval")
    assert_well_formed(corpus)
    assert corpus.table["path"][0] == str(tmp_path / "minispoof_eval" / "flac" / "MS_E_1.flac")
    assert corpus.attacks["M01"].known is False


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00"])
def test_a_file_that_is_no_protocol(tmp_path: Path, content: bytes) -> None:
    protocol = tmp_path / "protocol.txt"
    protocol.write_bytes(content)
    with pytest.raises(CorpusError, match=r"protocol\.txt"):
        read_corpus("asvspoof2019-la", protocol=protocol)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("asvspoof2019-la", LINE_2019, "LA_0039 LA_E_2834764 A11 spoof"),
        ("asvspoof2019-la", LINE_2019, LINE_2021_LA),
        ("asvspoof2021-la", LINE_2021_LA, LINE_2019),
        ("asvspoof2021-df", LINE_2021_DF, LINE_2021_DF.removesuffix(" -")),
        ("asvspoof5", LINE_5_DEV, "D_0461 D_0000000190 M - - - bonafide bonafide -"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, kind: str, good: str, bad: str) -> None:
    protocol = write(tmp_path / "protocol.txt", good, "", bad)
    with pytest.raises(CorpusError, match=r"protocol\.txt.*line 3"):
        read_corpus(kind, protocol=protocol)


def test_white_space_is_forgiven(tmp_path: Path) -> None:
    protocol = tmp_path / "protocol.txt"
    protocol.write_bytes(b"LA_0039\tLA_E_1  -  A11 spoof \r\n\r\nLA_0039 LA_E_2 - - bonafide\r\n")
    assert read_corpus("asvspoof2019-la", protocol=protocol).table["label"].to_list() == ["spoof", "bonafide"]


def test_an_unknown_label_is_named(tmp_path: Path) -> None:
    protocol = write(tmp_path / "protocol.txt", LINE_2019, "LA_0039 LA_E_7 - A11 fake")
    with pytest.raises(CorpusError, match=r"protocol\.txt, line 2: label 'fake' of LA_E_7"):
        read_corpus("asvspoof2019-la", protocol=protocol)


def test_an_utterance_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="LA_E_2834763"):
        read_corpus("asvspoof2019-la", protocol=write(tmp_path / "protocol.txt", LINE_2019, LINE_2019))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_absent_tree_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CorpusError) as failure:
        read_corpus(kind, root=tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in str(failure.value)
    assert "wanted" in str(failure.value)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_empty_tree_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CorpusError, match=tmp_path.name):
        read_corpus(kind, root=tmp_path)


def test_no_place_at_all() -> None:
    for kind in KINDS:
        with pytest.raises(CorpusError, match="wanted"):
            read_corpus(kind)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(CorpusError, match="try: asvspoof2019-la"):
        read_corpus("asvspoof2019")


def test_a_partition_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="train"):
        read_corpus("asvspoof2019-la", protocol=write(tmp_path / "protocol.txt", LINE_2019), partition="train")
    with pytest.raises(CorpusError, match="test"):
        read_corpus("asvspoof2019-la", protocol=write(tmp_path / "protocol.txt", LINE_2019), partition="test")
