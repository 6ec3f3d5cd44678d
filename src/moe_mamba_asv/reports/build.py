"""From score files and a corpus to the report model: every number is computed here or in the evaluation."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from moe_mamba_asv.diagnostics.results.diagnosis import read_diagnosis
from moe_mamba_asv.diagnostics.training import diagnose_training
from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.evaluate import evaluate
from moe_mamba_asv.evaluation.gap.gap import generalisation_gap, known_to_unknown
from moe_mamba_asv.evaluation.join import Trials
from moe_mamba_asv.evaluation.metrics.det import det_curve
from moe_mamba_asv.reports.comparisons import compare_all, published_rows, resolve_baseline
from moe_mamba_asv.reports.deviates import normal_deviates
from moe_mamba_asv.reports.judging import Judging, Making
from moe_mamba_asv.reports.model import (
    AttackEntry,
    DetPoints,
    Provenance,
    Report,
    RuleCounts,
    ScoreFile,
    ScoreHistogram,
    ScoreQuantiles,
    SourceFile,
    Suggestion,
    SystemReport,
)
from moe_mamba_asv.reports.rules import from_history, from_scores, suggestions
from moe_mamba_asv.reports.runs import read_settings, seeds_of
from moe_mamba_asv.reports.subjects import Subject
from moe_mamba_asv.scores import ScoreTable, read_scores
from moe_mamba_asv.types import Corpus

_NUM_BINS = 60
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Share of trials cut off at each end of a histogram, so that one wild score does not flatten the rest.
_TAIL = 0.0005
#: DET corner points closer than this, in normal deviates, cannot be told apart in a figure of 450 pixels.
_DET_STEP_DEVIATES = 0.01


def build_report(
    subjects: Sequence[Subject],
    corpus: Corpus,
    making: Making,
    judging: Judging,
    *,
    dev: Corpus | None = None,
    baseline: str | None = None,
) -> Report:
    """Evaluate every system and collect what a report shows.

    Args:
        subjects: at least one, in the order of their history.
        corpus: cut down to the partition to be judged.
        making: command, date, version.
        judging: by which rules.
        dev: the dev partition, for the gap of systems with scores of it.
        baseline: name of one of the systems, or key of a published one.

    Raises:
        ScoreError: no score file, or one that cannot be read or joined.
        ConfigError: no such baseline, or records that cannot be read.
    """
    if not subjects:
        raise ScoreError("no score file", wanted="at least one", remedy="mma score … --out scores.tsv")
    systems: list[SystemReport] = []
    tables: dict[str, ScoreTable] = {}
    for subject in subjects:
        table = read_scores(subject.scores)
        system = _system(subject, table, corpus, dev, judging, list(tables))
        systems.append(system)
        tables[system.evaluation.system] = table
    measured, published = resolve_baseline(baseline, list(tables), corpus.kind, systems[0].evaluation.partition)
    compared = compare_all(tables, corpus, judging, measured) if len(tables) > 1 else None
    history = compared.history if compared else ()
    worse = from_history(history)
    systems = [
        system.model_copy(
            update={"findings": (*system.findings, *(f for name, f in worse if name == system.evaluation.system))}
        )
        for system in systems
    ]
    seeds = seeds_of(subjects)
    findings = [finding for part in (*systems, *seeds) for finding in part.findings]
    raised = [finding.fault for finding in findings if finding.raised]
    return Report(
        corpus=corpus.kind,
        partition=systems[0].evaluation.partition,
        systems=tuple(systems),
        attacks=_attack_entries(corpus, systems),
        history=history,
        against_baseline=compared.against_baseline if compared else (),
        compared_trials=compared.trials if compared else None,
        published=published_rows(systems, published),
        seeds=seeds,
        rules=RuleCounts(tested=len(findings), raised=len(raised), kinds=len(set(raised))),
        suggestions=tuple(Suggestion(key=key, because=of) for key, of in suggestions(findings).items()),
        provenance=Provenance(
            protocols=tuple(_source(path) for path in corpus.sources if path.is_file()),
            asv_scores=_source(judging.asv.source) if judging.asv else None,
            command=making.command,
            created=making.created,
            version=making.version,
        ),
    )


def _system(
    subject: Subject, table: ScoreTable, corpus: Corpus, dev: Corpus | None, judging: Judging, used: Sequence[str]
) -> SystemReport:
    path = subject.scores
    trials = judging.join(table, corpus)
    name = _unused_name(subject.name or trials.system or path.stem, path, used)
    evaluation = evaluate(trials, asv=judging.asv, n_bootstrap=judging.num_bootstrap, seed=judging.seed, system=name)
    gap = None
    if subject.dev_scores is not None and dev is not None:
        on_dev = judging.join(read_scores(subject.dev_scores), dev)
        gap = generalisation_gap(on_dev, trials, n_bootstrap=judging.num_bootstrap, seed=judging.seed)
    step = known_to_unknown(trials, judging.num_bootstrap, np.random.default_rng(judging.seed))
    training = diagnose_training(subject.run) if subject.run else None
    diagnosis = read_diagnosis(subject.diagnosis) if subject.diagnosis else None
    if diagnosis is not None:
        # The records are read where they lie: what was diagnosed of them may be older.
        diagnosis = diagnosis.model_copy(update={"training": None})
    findings = from_scores(evaluation, step, gap.whole if gap else None)
    findings += (list(training.findings) if training else []) + (diagnosis.findings() if diagnosis else [])
    return SystemReport(
        evaluation=evaluation,
        det=det_points(trials),
        histogram=score_histogram(trials),
        quantiles=score_quantiles(trials),
        score_file=ScoreFile(name=path.name, sha256=_sha256(path), header=dict(table.header)),
        gap=gap,
        known_to_unknown=step,
        training=training,
        settings=read_settings(subject.run) if subject.run else {},
        diagnosis=diagnosis,
        findings=tuple(findings),
    )


def score_quantiles(trials: Trials) -> tuple[ScoreQuantiles, ...]:
    """Of bona fide speech, then of each attack."""
    groups = {"": trials.bonafide_scores}
    groups |= {name: trials.score[trials.attack == code] for code, name in enumerate(trials.attack_names)}
    return tuple(
        ScoreQuantiles(group=name, n=scores.size, levels=tuple(np.quantile(scores, _LEVELS).tolist()))
        for name, scores in groups.items()
    )


def det_points(trials: Trials) -> DetPoints:
    """The DET corners, thinned to what an eye can tell apart.

    Every kept point is a step of the curve as counted; points are left out, none is moved.
    """
    _, p_miss, p_fa = det_curve(trials.bonafide_scores, trials.spoof_scores)
    finest = 0.5 / len(trials.score)
    deviates = normal_deviates(np.clip(np.stack([p_fa, p_miss]), finest, 1 - finest))
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
