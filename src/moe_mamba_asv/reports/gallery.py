"""The gallery of a built minispoof corpus: every attack beside its original, to hear and to see, on one page."""

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from moe_mamba_asv import __version__
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.reports.gallery_pairs import (
    BONAFIDE,
    BuiltCorpus,
    DescribedAttack,
    Pair,
    Trial,
    choose_pairs,
    read_built_corpus,
)
from moe_mamba_asv.reports.gallery_spectrogram import draw_spectrograms
from moe_mamba_asv.reports.html import environment_of
from moe_mamba_asv.reports.locale import LANGUAGES, count, load_locale
from moe_mamba_asv.scores import write_atomically
from moe_mamba_asv.types import Partition


@dataclass(frozen=True)
class FailedSound:
    """A sound that could not be read; the reason names no path of the machine."""

    utterance: str
    reason: str


@dataclass(frozen=True)
class Sound:
    """A sound as a page carries it.

    Attributes:
        utterance: its id.
        duration_s: its length.
        flac: the corpus's own file, as a ``data:`` address.
        picture: its spectrogram, likewise.
    """

    utterance: str
    duration_s: float
    flac: str
    picture: str


@dataclass(frozen=True)
class Example:
    """An original and its spoof.

    Attributes:
        pair: what was chosen.
        sounds: ``original`` and ``spoof``.
    """

    pair: Pair
    sounds: dict[str, Sound | FailedSound]


@dataclass(frozen=True)
class Gallery:
    """Everything a page shows, before any language.

    Attributes:
        corpus: descriptions and counts.
        shown: every attack in the order of the ids, with its examples.
        seed: that chose the examples.
    """

    corpus: BuiltCorpus
    shown: list[tuple[DescribedAttack, list[Example]]]
    seed: int

    @property
    def failed(self) -> list[FailedSound]:
        """Sounds that could not be read, each once."""
        sounds = [sound for _, examples in self.shown for example in examples for sound in example.sounds.values()]
        return list(dict.fromkeys(sound for sound in sounds if isinstance(sound, FailedSound)))


@dataclass(frozen=True)
class WrittenGallery:
    """The pages, and the sounds that they lack."""

    files: list[Path]
    failed: list[FailedSound]


def write_gallery(
    root: Path, out: Path, *, languages: Sequence[str] = LANGUAGES, num_examples: int = 1, seed: int = 0
) -> WrittenGallery:
    """Write ``gallery.<language>.html``, pages that need nothing from outside themselves.

    Args:
        root: a corpus that `mma corpus build minispoof` made.
        out: made where it is absent; pages of an earlier gallery are replaced.
        languages: out of `LANGUAGES`.
        num_examples: of each attack, at most.
        seed: of the choice; other speakers and recordings come first.

    Returns:
        The pages. A sound that is absent or cannot be decoded is listed, also on the pages, and stops nothing.

    Raises:
        CorpusError: see `read_built_corpus`.
    """
    gallery = make_gallery(read_built_corpus(root), num_examples, seed)
    pages = {out / f"gallery.{language}.html": render_gallery(gallery, language, languages) for language in languages}
    for path, page in pages.items():
        write_atomically(path, page)
    return WrittenGallery(list(pages), gallery.failed)


def make_gallery(corpus: BuiltCorpus, num_examples: int, seed: int) -> Gallery:
    """Choose the examples, read them and draw them; parameters as in `write_gallery`."""
    rng = np.random.default_rng(seed)
    before: Counter[str] = Counter()
    chosen = [
        (attack, choose_pairs(corpus.pairs[attack.id], num_examples, rng, before))
        for attack in corpus.description.attacks
    ]
    return Gallery(corpus, [(attack, [_example(pair) for pair in pairs]) for attack, pairs in chosen], seed)


def render_gallery(gallery: Gallery, language: str, languages: Sequence[str] = LANGUAGES) -> str:
    """Write the page.

    Args:
        gallery: what to show.
        language: one of `LANGUAGES`.
        languages: those that are written; the page links to the other one only if it is there.
    """
    environment = environment_of(load_locale(language))
    environment.filters.update(count=count)
    script = environment.get_template("gallery.js.j2").render()
    return environment.get_template("gallery.html.j2").render(
        gallery=gallery,
        description=gallery.corpus.description,
        counts=gallery.corpus.counts,
        bonafide=BONAFIDE,
        partitions=list(Partition),
        languages=languages,
        version=__version__,
        script=Markup(script),
        # The page's own script may run, and none that a name in a corpus could bring in.
        script_hash=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _example(pair: Pair) -> Example:
    trials = {"original": pair.original, "spoof": pair.spoof}
    read = {role: _read(trial) for role, trial in trials.items()}
    heard = {role: one for role, one in read.items() if not isinstance(one, FailedSound)}
    pictures = dict(zip(heard, draw_spectrograms([waveform for _, waveform in heard.values()]), strict=True))
    sounds: dict[str, Sound | FailedSound] = {}
    for role, one in read.items():
        if isinstance(one, FailedSound):
            sounds[role] = one
            continue
        content, waveform = one
        sounds[role] = Sound(
            utterance=trials[role].utterance,
            duration_s=len(waveform) / SAMPLE_RATE_HZ,
            flac=_data_address("audio/flac", content),
            picture=_data_address("image/png", pictures[role]),
        )
    return Example(pair, sounds)


def _read(trial: Trial) -> tuple[bytes, NDArray[np.float32]] | FailedSound:
    """The file's content and its samples, shape (samples,) at 16 kHz."""
    try:
        content = trial.path.read_bytes()
        return content, load_16k(content)
    except OSError as error:
        return FailedSound(trial.utterance, error.strerror or type(error).__name__)
    except AudioError as error:
        return FailedSound(trial.utterance, error.got)


def _data_address(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{b64encode(content).decode()}"
