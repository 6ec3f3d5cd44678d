"""Reads a built minispoof tree: the layout of ASVspoof 2019 LA, with its attacks in ``corpus.json``."""

import json
from pathlib import Path

from moe_mamba_asv.corpora.asvspoof2019 import Layout, read_2019_layout
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Attack, Corpus, Partition

#: Which trials are of the same recording: for people who compare, not for detectors.
RECORDINGS_FILE = "recordings.csv"
LAYOUT_MINISPOOF = Layout("minispoof", "minispoof", "minispoof")


def read_minispoof(root: Path, partition: Partition | None) -> Corpus:
    """Read a tree that `mma corpus build minispoof` made."""
    description = root / "corpus.json"
    try:
        rows = json.loads(description.read_text())["attacks"]
        attacks = {row["id"]: Attack(**{key: row[key] for key in Attack.__dataclass_fields__}) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            f"{description} cannot be read ({error!r})",
            wanted="a finished minispoof corpus",
            remedy=f"mma corpus build minispoof --out {root}",
        ) from error
    return read_2019_layout(LAYOUT_MINISPOOF, root, partition, attacks)
