"""Which trials a build makes, decided before the first is made: the plan is a function of speech, limit and seed."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np

from moe_mamba_asv.corpora.minispoof.attacks.catalogue import ATTACKS, attacks_of
from moe_mamba_asv.corpora.minispoof.speech import (
    EMBEDDED_PARTITIONS,
    UNKNOWN_SPEAKER,
    SpeechClip,
    SpeechSource,
    embedded_speech,
    partition_speakers,
)
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.types import Partition

#: Raise this when an attack or the last stage changes what it makes: an unfinished build is then not resumed.
RECIPE_VERSION = 3
_ID_LETTERS = {Partition.TRAIN: "T", Partition.DEV: "D", Partition.EVAL: "E"}
_FIRST_ID = 1_000_001
_NUM_OTHERS = 4
ALL_ATTACKS = frozenset(attack.facts.id for attack in ATTACKS)


@dataclass(frozen=True)
class Trial:
    """One sound file to be made.

    Attributes:
        utterance: its id, which tells nothing but the partition.
        attack: id of the attack, or None for bona fide.
    """

    utterance: str
    attack: str | None


@dataclass(frozen=True)
class ClipPlan:
    """One recording and all trials that are made of it.

    Attributes:
        clip: the recording.
        partition: that of its speaker.
        trials: bona fide, and one for each attack.
        others: further recordings of its speaker, for attacks that put a voice together.
    """

    clip: SpeechClip
    partition: Partition
    trials: tuple[Trial, ...]
    others: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A whole build.

    Attributes:
        source: name of the speech.
        seed: of the partition, the ids and the attacks.
        clips: in the order of the source.
    """

    source: str
    seed: int
    clips: tuple[ClipPlan, ...]

    def fingerprint(self) -> str:
        """A digest of everything that decides the result; equal plans may resume one another."""
        decides = [
            [plan.clip.utterance, plan.clip.speaker, plan.clip.text, _size_bytes(plan.clip), plan.partition]
            + [[trial.utterance, trial.attack] for trial in plan.trials]
            for plan in self.clips
        ]
        return hashlib.sha256(json.dumps([RECIPE_VERSION, self.seed, decides]).encode()).hexdigest()


def _size_bytes(clip: SpeechClip) -> int:
    return clip.path.stat().st_size if clip.path.is_file() else -1


def make_plan(
    source: SpeechSource | None,
    *,
    limit: int | None,
    seed: int,
    attacks: Collection[str] = ALL_ATTACKS,
    everywhere: bool = False,
) -> Plan:
    """Choose clips, partition their speakers and give every trial its id.

    Args:
        source: the speech; None is the embedded one with its fixed partition.
        limit: at most this many recordings, taken in turn from the speakers; None takes all.
        seed: of every draw.
        attacks: ids of those to make.
        everywhere: each of them in each partition, so that none stays unseen.

    Raises:
        ConfigError: the limit leaves a partition without speech, or the seed is negative.
        CorpusError: fewer than three speakers.
    """
    if seed < 0:
        raise ConfigError(f"seed {seed}", wanted="0 or more")
    rng = np.random.default_rng(seed)
    if source is None:
        source, partitions = embedded_speech(), EMBEDDED_PARTITIONS
    else:
        partitions = partition_speakers(Counter(clip.speaker for clip in source.clips), rng)
    clips = _limited(source, limit)
    if limit is not None and {partitions[clip.speaker] for clip in clips} != set(Partition):
        raise ConfigError(f"limit {limit} leaves a partition without speech", wanted=f"{len(source.speakers)} or more")
    by_partition = {one: attack_ids(one, attacks, everywhere=everywhere) for one in Partition}
    ids = _ids(clips, partitions, by_partition, rng)
    others = _others(clips)
    plans = [
        ClipPlan(clip, partitions[clip.speaker], tuple(ids[clip.utterance]), others[clip.utterance]) for clip in clips
    ]
    return Plan(source.name, seed, tuple(plans))


def attack_ids(partition: Partition, chosen: Collection[str], *, everywhere: bool = False) -> list[str]:
    """Ids of the attacks that a partition gets: of those chosen its own, or all."""
    attacks = ATTACKS if everywhere else attacks_of(partition)
    return [attack.facts.id for attack in attacks if attack.facts.id in chosen]


def _others(chosen: list[SpeechClip]) -> dict[str, tuple[Path, ...]]:
    """By utterance, the next few recordings of the same speaker; none where nobody knows who speaks."""
    by_speaker: dict[str, list[SpeechClip]] = defaultdict(list)
    for clip in chosen:
        by_speaker[clip.speaker].append(clip)
    others: dict[str, tuple[Path, ...]] = {}
    for speaker, clips in by_speaker.items():
        for place, clip in enumerate(clips):
            following = [*clips[place + 1 :], *clips[:place]][:_NUM_OTHERS]
            others[clip.utterance] = () if speaker == UNKNOWN_SPEAKER else tuple(other.path for other in following)
    return others


def _limited(source: SpeechSource, limit: int | None) -> list[SpeechClip]:
    by_speaker: dict[str, list[SpeechClip]] = defaultdict(list)
    for clip in source.clips:
        by_speaker[clip.speaker].append(clip)
    in_turn = chain.from_iterable(zip_longest(*by_speaker.values()))
    chosen = [clip for clip in in_turn if clip is not None]
    return sorted(chosen[:limit], key=lambda clip: clip.utterance)


def _ids(
    clips: list[SpeechClip],
    partitions: Mapping[str, Partition],
    by_partition: Mapping[Partition, Sequence[str]],
    rng: np.random.Generator,
) -> dict[str, list[Trial]]:
    """Trials by recording; ids run through a partition in shuffled order, so that none hints at its class."""
    trials: dict[str, list[Trial]] = defaultdict(list)
    for partition in Partition:
        attacks = [None, *by_partition[partition]]
        pairs = [(clip, attack) for clip in clips if partitions[clip.speaker] is partition for attack in attacks]
        for (clip, attack), number in zip(pairs, rng.permutation(len(pairs)), strict=True):
            trials[clip.utterance].append(Trial(f"MS_{_ID_LETTERS[partition]}_{_FIRST_ID + number}", attack))
    return trials
