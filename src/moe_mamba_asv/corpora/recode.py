"""A corpus as it would sound after a codec: the same trials, each through one channel of ASVspoof 2021."""

import csv
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from moe_mamba_asv.audio.augment.augmentation import augment
from moe_mamba_asv.audio.augment.conditions import condition, condition_names
from moe_mamba_asv.audio.crop import fit_length
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.synthesis import write_atomically
from moe_mamba_asv.errors import ConfigError, CorpusError, MmaError
from moe_mamba_asv.types import Corpus

MANIFEST = "manifest.csv"
#: All but the one of each track that changes nothing.
ALL_CONDITIONS = tuple(f"{track}:{word}" for track in ("la", "df") for word in condition_names(track)[1:])
_COLUMNS = ("utterance", "path", "label", "attack", "speaker", "partition", "codec")


def recode_corpus(
    corpus: Corpus,
    out: Path,
    *,
    conditions: Sequence[str] = ALL_CONDITIONS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[tuple[str, str]]:
    """Write each clip after one condition, drawn for it, and a manifest that names the condition as ``codec``.

    What a clip meets is a function of seed and utterance alone. Files that are there are kept: a call that was stopped
    goes on. A clip keeps its length to the sample.

    Args:
        corpus: with paths.
        out: folder of the copy; read as ``manifest``, by its `MANIFEST`.
        conditions: track and word, such as "df:low_mp3"; see `condition`.
        seed: of all draws.
        on_progress: called with clips done and all clips.

    Returns:
        Utterances that could not be decoded or encoded, each with the reason; they are not in the manifest.

    Raises:
        ConfigError: no condition, or one that is unknown.
        CorpusError: the corpus has no paths.
    """
    if not conditions:
        raise ConfigError("no condition", wanted=", ".join(ALL_CONDITIONS))
    channels = {name: condition(*name.split(":", 1)) if ":" in name else _refuse(name) for name in conditions}
    if corpus.table["path"].null_count():
        raise CorpusError("a corpus without sound files", wanted="paths", remedy="give --root")
    names, rows, failed = list(channels), [], []
    for done, trial in enumerate(corpus.table.iter_rows(named=True), start=1):
        rng = np.random.default_rng([seed, zlib.crc32(trial["utterance"].encode())])
        codec = names[rng.integers(len(names))]
        file = Path("flac") / f"{trial['utterance']}.flac"
        try:
            if not (out / file).is_file():
                waveform = load_16k(Path(trial["path"]))
                coded = fit_length(augment(waveform, channels[codec], rng), len(waveform))
                write_atomically(out / file, _flac(coded))
            rows.append({**trial, "path": file.as_posix(), "codec": codec})
        except MmaError as error:
            failed.append((trial["utterance"], str(error)))
        on_progress(done, len(corpus.table))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(out / MANIFEST, buffer.getvalue().encode())
    return failed


def _refuse(name: str) -> tuple[()]:
    raise ConfigError(f"condition {name!r}", wanted=", ".join(ALL_CONDITIONS))


def _flac(waveform: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
