"""A coded copy: the same trials, really coded, the same again however often and in how many calls."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from moe_mamba_asv.corpora.read import read_corpus
from moe_mamba_asv.corpora.recode import ALL_CONDITIONS, recode_corpus
from moe_mamba_asv.errors import ConfigError

RATE_HZ = 16_000
CHEAP = ("la:alaw", "la:ulaw", "la:pstn")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = ["utterance,path,label,attack,speaker,partition"]
    for number in range(12):
        soundfile.write(tmp_path / f"u{number}.wav", rng.uniform(-0.5, 0.5, RATE_HZ + 37 * number), RATE_HZ)
        label = "spoof,A07" if number % 2 else "bonafide,"
        rows.append(f"u{number},u{number}.wav,{label},s{number % 3},eval")
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_the_copy_has_the_trials_and_says_what_each_went_through(manifest: Path, tmp_path: Path) -> None:
    before = read_corpus("manifest", root=manifest)
    assert recode_corpus(before, tmp_path / "coded", conditions=CHEAP) == []
    after = read_corpus("manifest", root=tmp_path / "coded" / "manifest.csv")
    kept = ["utterance", "label", "attack", "speaker", "partition"]
    assert after.table.select(kept).equals(before.table.select(kept))
    assert set(after.table["codec"]) == set(CHEAP)
    for (name, codec), path in zip(
        after.table.select("utterance", "codec").iter_rows(), after.table["path"], strict=True
    ):
        coded, rate_hz = soundfile.read(path)
        original, _ = soundfile.read(tmp_path / f"{name}.wav")
        assert (len(coded), rate_hz) == (len(original), RATE_HZ)
        above_band = np.abs(np.fft.rfft(coded))[np.fft.rfftfreq(len(coded), 1 / RATE_HZ) > 5_000]
        assert np.mean(above_band**2) < 1e-2 * np.mean(np.abs(np.fft.rfft(original)) ** 2), codec


def test_stopped_and_begun_again_it_writes_the_same_bytes(manifest: Path, tmp_path: Path) -> None:
    corpus = read_corpus("manifest", root=manifest)
    recode_corpus(corpus, tmp_path / "whole", conditions=CHEAP, seed=3)
    recode_corpus(corpus, tmp_path / "again", conditions=CHEAP, seed=3)
    for file in list((tmp_path / "again" / "flac").iterdir())[::2]:
        file.unlink()
    recode_corpus(corpus, tmp_path / "again", conditions=CHEAP, seed=3)
    for file in (tmp_path / "whole").rglob("*.*"):
        assert (tmp_path / "again" / file.relative_to(tmp_path / "whole")).read_bytes() == file.read_bytes()
    recode_corpus(corpus, tmp_path / "other", conditions=CHEAP, seed=4)
    codecs = [pl.read_csv(tmp_path / name / "manifest.csv")["codec"].to_list() for name in ("whole", "other")]
    assert codecs[0] != codecs[1]


def test_a_bad_clip_is_told_and_stops_nothing(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "u3.wav").write_text("no sound")
    failed = recode_corpus(read_corpus("manifest", root=manifest), tmp_path / "coded", conditions=CHEAP)
    assert [name for name, _ in failed] == ["u3"]
    with (tmp_path / "coded" / "manifest.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 11


@pytest.mark.parametrize("name", ["la:nothing", "pstn", "xx:pstn"])
def test_an_unknown_condition_names_the_known_ones(manifest: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"condition|track"):
        recode_corpus(read_corpus("manifest", root=manifest), tmp_path / "coded", conditions=[name])


def test_the_conditions_are_those_of_2021_that_code() -> None:
    assert len(ALL_CONDITIONS) == 6 + 8
    assert not {"la:none", "df:nocodec"} & set(ALL_CONDITIONS)
