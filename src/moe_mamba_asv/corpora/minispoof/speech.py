"""Where the real speech of minispoof comes from: the embedded recordings, or any folder."""

import csv
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from moe_mamba_asv.audio.endings import AUDIO_ENDINGS
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Partition

#: Speakers of the embedded speech by partition; prompts and game lines both occur in training and evaluation.
EMBEDDED_PARTITIONS: Mapping[str, Partition] = {
    "allison": Partition.TRAIN,
    "carlo": Partition.TRAIN,
    "smallfish": Partition.TRAIN,
    "june": Partition.DEV,
    "ivrvoice": Partition.EVAL,
    "bigfish": Partition.EVAL,
}
_DEV_SHARE, _EVAL_SHARE = 0.15, 0.35
#: What a manifest calls a speaker whom nobody knows.
UNKNOWN_SPEAKER = "unknown"
#: However many clips are of unknown speakers, training keeps this share of those of known ones.
_KNOWN_TRAIN_SHARE = 0.3


@dataclass(frozen=True)
class SpeechClip:
    """One recording of real speech.

    Attributes:
        utterance: unique name within its source.
        path: the sound file.
        speaker: without spaces.
        licence: as its source states it; empty where it does not.
        text: what is said; empty where nobody wrote it down, or not in the Latin letters that the engines can read.
    """

    utterance: str
    path: Path
    speaker: str
    licence: str
    text: str = ""


@dataclass(frozen=True)
class SpeechSource:
    """A set of recordings and what to call it in the corpus's description."""

    name: str
    clips: tuple[SpeechClip, ...]

    @property
    def speakers(self) -> list[str]:
        """Sorted names of the speakers."""
        return sorted({clip.speaker for clip in self.clips})


def embedded_speech() -> SpeechSource:
    """The recordings inside this package; ``speech/README.md`` beside them attributes and licenses them."""
    with as_file(files("moe_mamba_asv.corpora.minispoof") / "speech") as folder:
        clips = [
            SpeechClip(row["utterance"], folder / f"{row['utterance']}.flac", row["speaker"], row["licence"])
            for row in _rows(folder / "speech.csv")
        ]
    return SpeechSource("embedded", tuple(clips))


def folder_speech(folder: Path) -> SpeechSource:
    """All sound files below a folder, or those that a ``manifest.csv`` in or next to it names.

    A manifest has columns ``utt_id`` (or ``utterance``), ``path`` (relative to the manifest) and ``speaker``, and
    may have ``licence`` and ``text``, what is said. Without one, the name of a file's folder is its speaker, and a
    file of the same name that ends in ``.txt`` holds its text. Clips whose speaker is called the same count as one
    speaker and so stay in one partition; that of the speaker ``unknown`` is training.

    Raises:
        CorpusError: the folder is absent, holds no sound, or its manifest lacks a column or repeats an utterance.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder", wanted="a folder of speech", remedy="check --speech")
    manifests = [path for path in (folder / "manifest.csv", folder.parent / "manifest.csv") if path.is_file()]
    clips = _manifest_clips(manifests[0], folder) if manifests else _found_clips(folder)
    if not clips:
        endings = " ".join(sorted(AUDIO_ENDINGS))
        raise CorpusError(f"{folder} holds no sound files", wanted=f"files named {endings}", remedy="check --speech")
    return SpeechSource(folder.resolve().name, tuple(sorted(clips, key=lambda clip: clip.utterance)))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _manifest_clips(manifest: Path, folder: Path) -> list[SpeechClip]:
    # utt_id,path,speaker,sex,source,licence,sha256
    # LIBRI_0001,flac/LIBRI_0001.flac,LS_1688,M,LibriSpeech test-other,CC BY 4.0,eddc19ad…
    clips: dict[str, SpeechClip] = {}
    for number, row in enumerate(_rows(manifest), start=2):
        utterance, path, speaker = row.get("utt_id") or row.get("utterance"), row.get("path"), row.get("speaker")
        if not (utterance and path and speaker):
            raise CorpusError(
                f"{manifest}, line {number} has {', '.join(key for key in row if row[key])}",
                wanted="values for utt_id (or utterance), path and speaker",
                remedy="complete the line, or take the manifest away to use the folder names as speakers",
            )
        if utterance in clips:
            raise CorpusError(f"{manifest}, line {number} repeats {utterance}", wanted="each utterance once")
        clip = SpeechClip(
            utterance,
            manifest.parent / path,
            _one_word(speaker),
            row.get("licence") or "",
            _readable(row.get("text") or ""),
        )
        if clip.path.resolve().is_relative_to(folder.resolve()):
            clips[utterance] = clip
    return list(clips.values())


def _found_clips(folder: Path) -> list[SpeechClip]:
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_ENDINGS and path.is_file())
    return [
        SpeechClip(path.relative_to(folder).as_posix(), path, _one_word(path.resolve().parent.name), "", _text(path))
        for path in paths
    ]


def _text(path: Path) -> str:
    beside = path.with_suffix(".txt")
    return _readable(beside.read_text(encoding="utf-8")) if beside.is_file() else ""


def _readable(text: str) -> str:
    """A text in Latin letters, in one line; of any other, nothing."""
    letters = [letter for letter in text if letter.isalpha()]
    num_latin = sum("LATIN" in unicodedata.name(letter, "") for letter in letters)
    return " ".join(text.split()) if letters and num_latin > len(letters) / 2 else ""


def _one_word(speaker: str) -> str:
    return "_".join(speaker.split())


def partition_speakers(num_clips: Mapping[str, int], rng: np.random.Generator) -> dict[str, Partition]:
    """Split speakers at random so that training, dev and eval hold about 50, 15 and 35 % of the clips.

    Nobody can keep unknown speakers apart: their clips are for training, dev and eval are of known speakers alone.

    Args:
        num_clips: by speaker.
        rng: draws the order in which speakers are dealt.

    Raises:
        CorpusError: too few speakers for three partitions.
    """
    known = sorted(speaker for speaker in num_clips if speaker != UNKNOWN_SPEAKER)
    partitions: dict[str, Partition] = dict.fromkeys(num_clips, Partition.TRAIN)
    num_needed = 2 if UNKNOWN_SPEAKER in num_clips else 3
    if len(known) < num_needed:
        raise CorpusError(
            f"{len(num_clips)} speaker(s): {', '.join(num_clips)}",
            wanted="at least 3, one for each partition",
            remedy="add speakers, one folder each, or name them in a manifest.csv (utterance,path,speaker)",
        )
    num_known = sum(num_clips[speaker] for speaker in known)
    held_out = min((_DEV_SHARE + _EVAL_SHARE) * sum(num_clips.values()), (1 - _KNOWN_TRAIN_SHARE) * num_known)
    waiting = [known[int(index)] for index in rng.permutation(len(known))]
    spare = len(known) - num_needed  # speakers beyond the one that each partition must have
    for partition, share in ((Partition.DEV, _DEV_SHARE), (Partition.EVAL, _EVAL_SHARE)):
        wanted, taken = held_out * share / (_DEV_SHARE + _EVAL_SHARE), 0
        while taken == 0 or (spare > 0 and taken + num_clips[waiting[-1]] / 2 <= wanted):
            spare -= taken > 0
            speaker = waiting.pop()
            partitions[speaker], taken = partition, taken + num_clips[speaker]
    return partitions
