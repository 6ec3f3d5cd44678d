"""In-the-Wild: speech of public figures, real and faked, from the internet.

release_in_the_wild/meta.csv    release_in_the_wild/0.wav
"""

from pathlib import Path

import polars as pl

from moe_mamba_asv.corpora.protocol import LINE, utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Partition

# file,speaker,label
# 0.wav,Alec Guinness,spoof
# 3.wav,Christopher Hitchens,bona-fide
_COLUMNS = ["file", "speaker", "label"]


def read_in_the_wild(*, root: Path | None, protocol: Path | None) -> Corpus:
    """Read ``meta.csv``; all of it is evaluation data."""
    inner = root / "release_in_the_wild" if root is not None else None
    folder = inner if inner is not None and inner.is_dir() else root
    source = protocol or (folder / "meta.csv" if folder is not None else None)
    if source is None or not source.is_file():
        raise CorpusError(f"no list at {source}", wanted="meta.csv beside the .wav files, or --protocol with it")
    try:
        frame = pl.read_csv(source, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise CorpusError(f"{source} is malformed: {error}", wanted=",".join(_COLUMNS)) from error
    if frame.columns[:3] != _COLUMNS:
        raise CorpusError(f"{source} has the columns {frame.columns}", wanted=",".join(_COLUMNS))
    frame = frame.select(
        utterance=pl.col("file").str.strip_suffix(".wav"),
        label=pl.col("label").replace("bona-fide", "bonafide"),
        speaker="speaker",
        partition=pl.lit(Partition.EVAL.value),
        **{LINE: pl.int_range(2, pl.len() + 2)},
    )
    if folder is not None:
        frame = frame.with_columns(path=pl.concat_str(pl.lit(f"{folder}/"), "utterance", pl.lit(".wav")))
    return Corpus("in-the-wild", utterance_table(frame, source), {}, (source,))
