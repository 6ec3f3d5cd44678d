"""Clips that a detector is asked about again and again, under changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError, CorpusError
from moe_mamba_asv.scoring.predictor import Predictor
from moe_mamba_asv.types import Corpus, Label

Waveform = NDArray[np.float32]
#: Longer recordings are cut, so that a sample stays small in memory.
LONGEST_S = 30
_RATE_HZ = 16_000


@dataclass(frozen=True)
class Sample:
    """Clips of one partition, decoded.

    Attributes:
        corpus: the corpus reader's name.
        partition: of which all clips are; None where the corpus does not tell.
        utterances: names.
        waveforms: mono at 16 kHz, uncropped but for `LONGEST_S`.
        is_bonafide: (clips,).
        attacks: attack of each clip; empty for bona fide speech and where the corpus does not tell.
        failed: reason by utterance, of clips that could not be decoded; they are in none of the above.
    """

    corpus: str
    partition: str | None
    utterances: tuple[str, ...]
    waveforms: tuple[Waveform, ...]
    is_bonafide: NDArray[np.bool_]
    attacks: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def attack_names(self) -> list[str]:
        """Attacks that were met, sorted."""
        return sorted({name for name in self.attacks if name})

    def rows_of(self, attack: str) -> NDArray[np.intp]:
        """Where the clips of an attack are; of bona fide speech for the empty name."""
        if attack:
            return np.flatnonzero(np.array(self.attacks) == attack)
        return np.flatnonzero(self.is_bonafide)


def draw_sample(corpus: Corpus, clips: int, generator: np.random.Generator) -> Sample:
    """Draw clips without replacement: half of them bona fide, the other half shared evenly by the attacks.

    Args:
        corpus: one partition of it, with audio paths and labels.
        clips: at most so many.
        generator: draws.

    Raises:
        CorpusError: no path, no label, or a class of which no clip could be decoded.
    """
    table = corpus.table.drop_nulls(["label", "path"])
    label, attack = table["label"].to_numpy(), table["attack"].fill_null("").to_numpy()
    strata = [np.flatnonzero(label == Label.BONAFIDE.value)]
    spoofed = label == Label.SPOOF.value
    strata += [np.flatnonzero(spoofed & (attack == name)) for name in sorted(set(attack[spoofed]))]
    if len(strata) < 2 or not strata[0].size:
        raise CorpusError(f"{corpus.kind} without audio of both classes", wanted="--root, and a labelled partition")
    wanted = [clips // 2, *_shares(clips - clips // 2, len(strata) - 1)]
    rows = np.concatenate(
        [generator.permutation(rows)[:count] for rows, count in zip(strata, wanted, strict=True)], dtype=np.intp
    )
    return _decoded(corpus, table[np.sort(rows)])


def _shares(clips: int, attacks: int) -> list[int]:
    return [clips // attacks + (number < clips % attacks) for number in range(attacks)]


def _decoded(corpus: Corpus, table: pl.DataFrame) -> Sample:
    kept, waveforms, failed = [], [], {}
    for row, (utterance, path) in enumerate(table.select("utterance", "path").iter_rows()):
        try:
            waveform = load_16k(Path(path))[: LONGEST_S * _RATE_HZ]
        except AudioError as error:
            failed[utterance] = str(error)
            continue
        if waveform.any():
            kept.append(row)
            waveforms.append(waveform)
        else:
            failed[utterance] = "digital silence"
    table = table[kept]
    is_bonafide = (table["label"] == Label.BONAFIDE.value).to_numpy()
    if is_bonafide.all() or not is_bonafide.any():
        raise CorpusError(f"{len(failed)} clips of {corpus.kind} that cannot be decoded", wanted="both classes to hear")
    partitions = table["partition"].drop_nulls().unique().to_list()
    return Sample(
        corpus=corpus.kind,
        partition=partitions[0] if len(partitions) == 1 else None,
        utterances=tuple(table["utterance"]),
        waveforms=tuple(waveforms),
        is_bonafide=is_bonafide,
        attacks=tuple(table["attack"].fill_null("")),
        failed=failed,
    )


def score_all(
    predictor: Predictor,
    waveforms: Sequence[Waveform],
    *,
    batch_size: int = 8,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> NDArray[np.float64]:
    """Scores (clips,) of waveforms, each cropped as the model wants it.

    Args:
        predictor: the detector.
        waveforms: mono, 16 kHz.
        batch_size: clips a forward pass.
        on_clips: told of every batch's size.

    Raises:
        AudioError: a waveform is digital silence.
    """
    scores = []
    for start in range(0, len(waveforms), batch_size):
        crops = [predictor.crop(waveform) for waveform in waveforms[start : start + batch_size]]
        scores.append(predictor.score(crops))
        on_clips(len(crops))
    return np.concatenate(scores).astype(np.float64)
