"""Stand-ins for corpora that nobody may ship: official layout and lines of the official form, made sound."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import soundfile

RATE_HZ = 16_000
_2019 = {
    "train": ("LA_T", "train.trn", ("A01", "A02", "A03", "A04", "A05", "A06")),
    "dev": ("LA_D", "dev.trl", ("A01", "A02", "A03", "A04", "A05", "A06")),
    "eval": ("LA_E", "eval.trl", tuple(f"A{number:02d}" for number in range(7, 20))),
}
_SPEAKERS_2019 = {"train": 79, "dev": 69, "eval": 1}
_CODECS_LA = ("none -", "alaw ita_tx", "pstn mad_tx", "g722 loc_tx", "ulaw sin_tx", "gsm loc_tx", "opus ita_tx")
_COMPRESSIONS_DF = ("nocodec", "low_mp3", "high_mp3", "low_m4a", "high_m4a", "low_ogg", "high_ogg", "mp3m4a", "oggm4a")
_VOCODERS_DF = ("traditional_vocoder", "waveform_concatenation", "neural_vocoder_autoregressive", "unknown")

#: Trials of each phase of 2021 as (bona fide, spoof); the official sizes, which sum up to 181,566 and 611,829.
SUBSETS_LA = {"eval": (14_816, 133_360), "progress": (1_676, 14_788), "hidden": (1_960, 14_966)}
SUBSETS_DF = {"eval": (14_869, 519_059), "progress": (5_768, 53_557), "hidden": (1_980, 16_596)}
#: Trials of each partition of 2019 LA as (bona fide, spoof).
PARTITIONS_2019 = {"train": (2_580, 22_800), "dev": (2_548, 22_296), "eval": (7_355, 63_882)}


def clip(rng: np.random.Generator, *, spoof: bool, duration_s: float = 0.25) -> np.ndarray:
    """A noisy tone, float32 [samples] at 16 kHz; a spoofed one is clipped and so has overtones."""
    time = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    tone = np.sin(2 * np.pi * rng.uniform(90, 250) * time)
    shaped = np.clip(4 * tone, -1, 1) if spoof else tone
    return (0.3 * shaped + 0.02 * rng.standard_normal(len(time))).astype(np.float32)


def lines_2019(partition: str, bonafide: int, spoof: int) -> pl.Series:
    """Protocol lines of one partition, e.g. ``LA_0039 LA_E_1000000 - A11 spoof``; attacks in turn."""
    prefix, _, attacks = _2019[partition]
    frame = _trials(bonafide, spoof)
    speaker = pl.format("LA_{}", (_SPEAKERS_2019[partition] + pl.col("n") % 3).cast(pl.String).str.zfill(4))
    attack = pl.when(pl.col("spoof")).then(_in_turn(attacks)).otherwise(pl.lit("-"))
    line = pl.format("{} {}_{} - {} {}", speaker, pl.lit(prefix), 1_000_000 + pl.col("n"), attack, _key())
    return frame.select(line=line)["line"]


def lines_2021_la(subsets: Mapping[str, tuple[int, int]]) -> pl.Series:
    """Key lines, e.g. ``LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval``."""
    frame = _subset_trials(subsets)
    attack = pl.when(pl.col("spoof")).then(_in_turn(_2019["eval"][2])).otherwise(pl.lit("bonafide"))
    line = pl.format(
        "LA_0009 LA_E_{} {} {} {} {} {}",
        *(9_000_000 + pl.col("n"), _in_turn(_CODECS_LA), attack, _key(), _trim(), pl.col("subset")),
    )
    return frame.select(line=line)["line"]


def lines_2021_df(subsets: Mapping[str, tuple[int, int]]) -> pl.Series:
    """Key lines, e.g. ``LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -``.

    Every fourth spoof is a system of the Voice Conversion Challenge 2020, which has four words more to say.
    """
    frame = _subset_trials(subsets)
    of_vcc = pl.col("spoof") & (pl.col("n") % 4 == 3)
    source = pl.when(of_vcc).then(pl.lit("vcc2020")).otherwise(pl.lit("asvspoof"))
    attack = pl.when(of_vcc).then(pl.lit("Task1-team20")).otherwise(_in_turn(_2019["eval"][2]))
    attack = pl.when(pl.col("spoof")).then(attack).otherwise(pl.lit("-"))
    vocoder = pl.when(pl.col("spoof")).then(_in_turn(_VOCODERS_DF)).otherwise(pl.lit("bonafide"))
    tail = pl.when(of_vcc).then(pl.lit("Task1 team20 FF E")).otherwise(pl.lit("- - - -"))
    line = pl.format(
        "LA_0023 DF_E_{} {} {} {} {} {} {} {} {}",
        *(2_000_000 + pl.col("n"), _in_turn(_COMPRESSIONS_DF), source, attack, _key(), _trim(), pl.col("subset")),
        *(vocoder, tail),
    )
    return frame.select(line=line)["line"]


def write_lines(path: Path, lines: pl.Series) -> Path:
    """Write a protocol; a few hundred thousand lines take a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines.str.join("\n").item() + "\n")
    return path


def asvspoof2019_tree(
    root: Path, rng: np.random.Generator, counts: Mapping[str, tuple[int, int]] | None = None
) -> Path:
    """Write ``LA/`` under ``root``: protocols, ASV scores and FLAC files. Answers ``root``."""
    la = root / "LA"
    for partition, (bonafide, spoof) in (counts or dict.fromkeys(_2019, (6, 13))).items():
        lines = lines_2019(partition, bonafide, spoof)
        ending = _2019[partition][1]
        write_lines(la / "ASVspoof2019_LA_cm_protocols" / f"ASVspoof2019.LA.cm.{ending}.txt", lines)
        _write_clips(la / f"ASVspoof2019_LA_{partition}" / "flac", lines, rng)
        if partition != "train":
            _write_asv_scores(la / "ASVspoof2019_LA_asv_scores", partition, rng)
    return root


def asvspoof2021_tree(
    root: Path, track: str, rng: np.random.Generator, subsets: Mapping[str, tuple[int, int]] | None = None
) -> Path:
    """Write ``ASVspoof2021_<track>_eval/flac`` and ``keys/<track>/CM/trial_metadata.txt``. Answers ``root``."""
    sizes = subsets or {"eval": (8, 20), "progress": (3, 5), "hidden": (2, 3)}
    lines = lines_2021_la(sizes) if track == "LA" else lines_2021_df(sizes)
    write_lines(root / "keys" / track / "CM" / "trial_metadata.txt", lines)
    _write_clips(root / f"ASVspoof2021_{track}_eval" / "flac", lines, rng)
    return root


def _trials(bonafide: int, spoof: int) -> pl.DataFrame:
    """Columns ``n`` (from 0) and ``spoof``; bona fide trials first."""
    return pl.DataFrame({"n": np.arange(bonafide + spoof)}).with_columns(spoof=pl.col("n") >= bonafide)


def _subset_trials(subsets: Mapping[str, tuple[int, int]]) -> pl.DataFrame:
    parts = [_trials(*sizes).with_columns(subset=pl.lit(subset)) for subset, sizes in subsets.items()]
    return pl.concat(parts).with_columns(n=pl.int_range(pl.len()))


def _in_turn(words: tuple[str, ...]) -> pl.Expr:
    return (pl.col("n") % len(words)).replace_strict(dict(enumerate(words)), return_dtype=pl.String)


def _key() -> pl.Expr:
    return pl.when(pl.col("spoof")).then(pl.lit("spoof")).otherwise(pl.lit("bonafide"))


def _trim() -> pl.Expr:
    return pl.when(pl.col("subset") == "hidden").then(pl.lit("trim")).otherwise(pl.lit("notrim"))


def _write_clips(folder: Path, lines: pl.Series, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for line in lines:
        words = line.split()
        soundfile.write(folder / f"{words[1]}.flac", clip(rng, spoof="spoof" in words), RATE_HZ)


def _write_asv_scores(folder: Path, partition: str, rng: np.random.Generator) -> None:
    """Scores of an ASV system that hears most impostors, e.g. ``bonafide target 7.981530``."""
    rows = [("bonafide target", 8.0)] * 60 + [("bonafide nontarget", -8.0)] * 60
    rows += [(f"{attack} spoof", 0.0) for attack in _2019[partition][2] for _ in range(10)]
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{words} {centre + 3 * rng.standard_normal():.6f}\n" for words, centre in rows)
    (folder / f"ASVspoof2019.LA.asv.{partition}.gi.trl.scores.txt").write_text(text)


def start_mma(*words: object) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own, one that SIGINT can stop (a shell's background jobs ignore it)."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from moe_mamba_asv.cli.main import main; main()"
    )
    return subprocess.Popen([sys.executable, "-c", program, *map(str, words)], stderr=subprocess.DEVNULL)
