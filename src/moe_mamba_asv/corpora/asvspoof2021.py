"""ASVspoof 2021, tracks LA and DF: evaluation data and the keys that were published later.

ASVspoof2021_LA_eval/flac/LA_E_9332881.flac    keys/LA/CM/trial_metadata.txt
ASVspoof2021_DF_eval/flac/DF_E_2000011.flac    keys/DF/CM/trial_metadata.txt
"""

from pathlib import Path

import polars as pl

from moe_mamba_asv.corpora.catalogue import ATTACKS_2019_LA
from moe_mamba_asv.corpora.protocol import in_folder, read_words, refuse_other_words, utterance_table
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Corpus, Partition

# LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval
# LA_0009 LA_E_8589971 alaw loc_tx A07 spoof notrim progress
# LA_0020 LA_E_7294490 g722 loc_tx bonafide bonafide notrim eval
_LA = ("speaker", "utterance", "codec", "transmission", "attack", "label", "trim", "subset")

# LA_0023 DF_E_2000011 nocodec asvspoof A14 spoof notrim progress traditional_vocoder - - - -
# LA_0043 DF_E_2000026 mp3m4a asvspoof A09 spoof notrim eval traditional_vocoder - - - -
# The organisers document no meaning for the last four words.
_DF = (
    *("speaker", "utterance", "compression", "source", "attack", "label", "trim", "subset", "vocoder"),
    *("_10", "_11", "_12", "_13"),
)

SUBSETS = ("eval", "progress", "hidden")


def read_asvspoof2021(track: str, *, root: Path | None, protocol: Path | None, subset: str | None) -> Corpus:
    """Read the keys of a track.

    Args:
        track: ``la`` or ``df``.
        root: folder that holds the audio and ``keys``; None reads labels alone.
        protocol: key file; None takes the official place under root.
        subset: ``eval``, ``progress`` or ``hidden``; None keeps all three. Published figures are on ``eval``.

    Raises:
        CorpusError: the keys are not there or malformed, or a subset is none of the three.
    """
    if subset is not None and subset not in SUBSETS:
        raise CorpusError(f"subset {subset!r}", wanted=" | ".join(SUBSETS))
    name = track.upper()
    keys = protocol or _find_keys(root, name)
    frame = read_words(keys, _LA if track == "la" else _DF).with_columns(partition=pl.lit(Partition.EVAL.value))
    refuse_other_words(frame, keys, "subset", SUBSETS)
    if root is not None:
        frame = frame.with_columns(in_folder(root / f"ASVspoof2021_{name}_eval" / "flac", ".flac"))
    notes: tuple[str, ...] = ()
    if subset is not None:
        total = len(frame)
        frame = frame.filter(pl.col("subset") == subset)
        notes = (f"subset {subset}: {len(frame):,} of the {total:,} trials of the key",)
    return Corpus(f"asvspoof2021-{track}", utterance_table(frame, keys), ATTACKS_2019_LA, (keys,), notes)


def _find_keys(root: Path | None, name: str) -> Path:
    if root is None:
        raise CorpusError(f"ASVspoof 2021 {name} without a place", wanted="root, a folder, or protocol, a key file")
    places = [root / "keys" / name / "CM" / "trial_metadata.txt", root / "keys" / "CM" / "trial_metadata.txt"]
    for place in places:
        if place.is_file():
            return place
    raise CorpusError(
        f"no key file at {places[0]}",
        wanted=f"keys/{name}/CM/trial_metadata.txt beside ASVspoof2021_{name}_eval/flac/",
        remedy="unpack the organisers' keys there, or --protocol with the file",
    )
