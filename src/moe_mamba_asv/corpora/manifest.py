"""Any table of one's own: CSV, TSV or Parquet with the columns utterance, path, label …

Needed are ``path`` or ``utterance``; ``label`` (bonafide or spoof, or another word for them), ``attack``, ``speaker``
and ``partition`` (train, dev or eval) are taken where they are; every further column is a condition to break results
down by.
"""

from pathlib import Path

import polars as pl

from moe_mamba_asv.corpora.protocol import LINE, utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Label, Partition

# utterance,path,label,attack,speaker,partition,room
# a1,clips/a1.wav,bonafide,,anna,eval,office
# b1,clips/b1.wav,spoof,vits,anna,eval,office

#: What people write for the two labels, in lower case.
_LABELS = {
    **dict.fromkeys(("bonafide", "bona-fide", "genuine", "real"), Label.BONAFIDE.value),
    **dict.fromkeys(("spoof", "fake"), Label.SPOOF.value),
}


def read_manifest(manifest: Path, partition: Partition | None) -> Corpus:
    """Read a manifest; relative paths are relative to its folder. Without ``partition`` all of it is eval."""
    frame = _read_table(manifest)
    if "utterance" not in frame.columns and "path" not in frame.columns:
        raise CorpusError(f"{manifest} has the columns {frame.columns}", wanted="at least `utterance` or `path`")
    if "utterance" not in frame.columns:
        frame = frame.with_columns(utterance=pl.col("path").str.replace(r"\.[^./\\]+$", ""))
    if "path" in frame.columns:
        paths = [None if path is None else str(manifest.parent / path) for path in frame["path"]]
        frame = frame.with_columns(pl.Series("path", paths, dtype=pl.String))
    if "partition" not in frame.columns:
        frame = frame.with_columns(partition=pl.lit(Partition.EVAL.value))
    # An empty cell must not fall out of every partition in silence.
    frame = frame.with_columns(pl.col("partition").fill_null(""))
    if "label" in frame.columns:
        ours = pl.col("label").str.strip_chars().str.to_lowercase().replace_strict(_LABELS, default=None)
        frame = frame.with_columns(label=pl.coalesce(ours, "label"))
    table = utterance_table(frame, manifest)
    if partition is not None:
        table = table.filter(pl.col("partition") == partition.value)
    return Corpus("manifest", table, {}, (manifest,))


def _read_table(manifest: Path) -> pl.DataFrame:
    if not manifest.is_file():
        raise CorpusError(f"no manifest at {manifest}", wanted="a .csv, .tsv or .parquet file")
    try:
        if manifest.suffix == ".parquet":
            return pl.read_parquet(manifest).with_columns(pl.all().cast(pl.String))
        separator = "\t" if manifest.suffix == ".tsv" else ","
        frame = pl.read_csv(manifest, separator=separator, infer_schema=False)
        blank = pl.all_horizontal(pl.exclude(LINE).is_null())
        return frame.with_columns(pl.int_range(2, pl.len() + 2).alias(LINE)).filter(~blank)
    except pl.exceptions.PolarsError as error:
        raise CorpusError(f"{manifest} cannot be read: {error}", wanted="a .csv, .tsv or .parquet table") from error
