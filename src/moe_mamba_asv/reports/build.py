"""From score files and a corpus to the report model: every number is computed here or in the evaluation."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.asv import AsvScores
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.join import Trials, join
from moe_mamba_asv.evaluation.metrics.det import det_curve
from moe_mamba_asv.reports.model import (
    AttackEntry,
    DetPoints,
    Provenance,
    Report,
    ScoreFile,
    ScoreHistogram,
    SourceFile,
    SystemReport,
)
from moe_mamba_asv.scores import read_scores
from moe_mamba_asv.types import Corpus

_NUM_BINS = 60
#: Share of trials cut off at each end of a histogram, so that one wild score does not flatten the rest.
_TAIL = 0.0005
#: DET corner points closer than this, in normal deviates, cannot be told apart in a figure of 450 pixels.
_DET_STEP_DEVIATES = 0.01


@dataclass(frozen=True)
class Making:
    """Facts about the making of a report that no file tells.

    Attributes:
        command: what was typed.
        created: ISO 8601 date.
        version: of the package.
    """

    command: str
    created: str
    version: str


def build_report(
    score_files: Sequence[Path],
    corpus: Corpus,
    making: Making,
    *,
    asv: AsvScores | None = None,
    num_bootstrap: int = 1000,
    seed: int = 0,
    allow_missing: bool = False,
    allow_extra: bool = False,
) -> Report:
    """Evaluate every score file and collect what a report shows.

    Args:
        score_files: at least one; each is a system.
        corpus: cut down to the partition to be judged.
        making: command, date, version.
        asv: ASV scores of the same partition, for t-DCF.
        num_bootstrap: replicates of every interval; 0 leaves the intervals out.
        seed: of the bootstrap.
        allow_missing: as in `join`.
        allow_extra: as in `join`.

    Raises:
        ScoreError: no score file, or one that cannot be read or joined.
    """
    if not score_files:
        raise ScoreError("no score file", wanted="at least one", remedy="mma score … --out scores.tsv")
    systems: list[SystemReport] = []
    for path in score_files:
        table = read_scores(path)
        trials = join(table, corpus, allow_missing=allow_missing, allow_extra=allow_extra)
        name = _unused_name(trials.system or path.stem, path, [system.evaluation.system for system in systems])
        evaluation = evaluate(trials, asv=asv, n_bootstrap=num_bootstrap, seed=seed, system=name)
        systems.append(
            SystemReport(
                evaluation=evaluation,
                det=det_points(trials),
                histogram=score_histogram(trials),
                score_file=ScoreFile(name=path.name, sha256=_sha256(path), header=dict(table.header)),
            )
        )
    return Report(
        corpus=corpus.kind,
        partition=systems[0].evaluation.partition,
        systems=tuple(systems),
        attacks=_attack_entries(corpus, systems),
        provenance=Provenance(
            protocols=tuple(_source(path) for path in corpus.sources if path.is_file()),
            asv_scores=_source(asv.source) if asv else None,
            command=making.command,
            created=making.created,
            version=making.version,
        ),
    )


def det_points(trials: Trials) -> DetPoints:
    """The DET corners, thinned to what an eye can tell apart.

    Every kept point is a step of the curve as counted; points are left out, none is moved.
    """
    _, p_miss, p_fa = det_curve(trials.bonafide_scores, trials.spoof_scores)
    finest = 0.5 / len(trials.score)
    deviates = ndtri(np.clip(np.stack([p_fa, p_miss]), finest, 1 - finest))
    travelled = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(deviates, axis=1)).sum(axis=0))])
    _, kept = np.unique(np.floor(travelled / _DET_STEP_DEVIATES), return_index=True)
    kept = np.union1d(kept, [len(p_fa) - 1])
    return DetPoints(p_fa=tuple(p_fa[kept].tolist()), p_miss=tuple(p_miss[kept].tolist()))


def score_histogram(trials: Trials) -> ScoreHistogram:
    """Counts of both classes over the same bins; see `ScoreHistogram` for the outermost ones."""
    low, high = np.quantile(trials.score, [_TAIL, 1 - _TAIL])
    if low == high:
        low, high = trials.score.min(), trials.score.max()
    edges = np.linspace(low, high, _NUM_BINS + 1)
    clipped = int(((trials.score < low) | (trials.score > high)).sum())
    bonafide, _ = np.histogram(np.clip(trials.bonafide_scores, low, high), edges)
    spoof, _ = np.histogram(np.clip(trials.spoof_scores, low, high), edges)
    return ScoreHistogram(
        edges=tuple(edges.tolist()), bonafide=tuple(bonafide.tolist()), spoof=tuple(spoof.tolist()), clipped=clipped
    )


def _unused_name(name: str, path: Path, used: Sequence[str]) -> str:
    """A name that no earlier system has: two score files may come from one model, or bear one file name."""
    if name not in used:
        return name
    candidate, number = f"{name} ({path.name})", 2
    while candidate in used:
        candidate, number = f"{name} ({path.name}, {number})", number + 1
    return candidate


def _attack_entries(corpus: Corpus, systems: Sequence[SystemReport]) -> tuple[AttackEntry, ...]:
    """Catalogue entries of the attacks that were met, in the order of their ids."""
    met = sorted({name for system in systems for name in system.evaluation.attacks})
    entries = []
    for name in met:
        published = corpus.attacks.get(name)
        if published is None:
            entries.append(AttackEntry(id=name))
        else:
            entries.append(
                AttackEntry(
                    id=name,
                    kind=published.kind,
                    system=published.system,
                    waveform=published.waveform,
                    known=published.known,
                )
            )
    return tuple(entries)


def _source(path: Path) -> SourceFile:
    return SourceFile(name=path.name, sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
