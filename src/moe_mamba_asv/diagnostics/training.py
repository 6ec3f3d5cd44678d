"""How did a training run go? Read from what it wrote down; nothing is computed again."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from moe_mamba_asv.diagnostics.results.finding import Finding, by_rule
from moe_mamba_asv.diagnostics.results.training import Epoch, NonFinite, SeedRun, SeedsResult, TrainingResult
from moe_mamba_asv.diagnostics.run_folder import count_steps, read_epochs, read_events, read_facts, read_record
from moe_mamba_asv.errors import TrainingError

#: A choice: one step in a thousand may fail for an odd clip. It is a fault from there on.
SKIPPED_LIMIT = 0.001
#: A choice: a rise that a reader of an EER in percent would call one. Chance is held off by `_RISE_ERRORS`.
RISE_LIMIT = 0.02
#: A rise must hold this long, so that one bad epoch, or two, do not count.
HELD_EPOCHS = 3
#: The best epoch, and those in which the rise holds.
MIN_EPOCHS = HELD_EPOCHS + 1
#: A rise below so many standard errors of the dev EER may be chance.
_RISE_ERRORS = 2
#: A choice: beyond this, which of two recipes is better cannot be read off one run each.
RANGE_LIMIT = 0.05
#: Two runs have a difference, but no spread to speak of.
MIN_RUNS = 3
#: The range of five independent draws from one normal stays below 3.86 deviations 19 times in 20.
_RANGE_ERRORS = 4


def diagnose_training(folder: Path) -> TrainingResult:
    """What a run folder says of its run.

    Over-fitting is an EER on dev that lies above its best by more than `RISE_LIMIT` in each of the last `HELD_EPOCHS`
    epochs, while the training loss lies below that of the best epoch: what is still learnt then is of the training
    clips alone. A rise with a loss that rises too is no over-fitting.

    Args:
        folder: the run folder.

    Raises:
        TrainingError: no run folder, nothing to see in it yet, or a table that no run wrote.
    """
    record = read_record(folder)
    facts, epochs, events = read_facts(folder, record), read_epochs(folder), read_events(folder)
    if not epochs and not events:
        raise TrainingError(
            f"{folder} has no metrics.csv", wanted="a run with an epoch behind it", remedy="wait until its first ends"
        )
    skipped = sum(event["action"] == "skipped" for event in events)
    steps = count_steps(folder) + skipped
    roll_backs = sum(event["action"] == "rolled back" for event in events)
    best = None if not epochs else min(epochs, key=lambda epoch: epoch.dev_eer)
    judged = len(epochs) >= MIN_EPOCHS
    findings = [
        by_rule("numeric", "skipped_share", skipped / max(1, steps), limit=SKIPPED_LIMIT, n=steps, unit="steps"),
        by_rule("numeric", "roll_backs", roll_backs, limit=0, n=steps, unit="steps"),
    ]
    overfitting = _overfitting(epochs, best, facts.dev_clips) if judged and best is not None else None
    if overfitting is not None:
        findings.append(overfitting)
    return TrainingResult(
        facts=facts,
        epochs=tuple(epochs),
        best_epoch=None if best is None else best.epoch,
        eer_rise=None if best is None else epochs[-1].dev_eer - best.dev_eer,
        overfitting_judged=judged,
        overfit_since=_since(epochs, best, overfitting),
        non_finite=_non_finite(events),
        steps=steps,
        skipped_steps=skipped,
        skipped_share=skipped / max(1, steps),
        roll_backs=roll_backs,
        stopped=any(event["action"] == "stopped" for event in events),
        findings=tuple(findings),
    )


def diagnose_seeds(folders: Sequence[Path]) -> SeedsResult:
    """How far runs lie apart that differ in the seed alone.

    Args:
        folders: two run folders or more; from `MIN_RUNS` on, the spread is judged.

    Raises:
        TrainingError: fewer than two, runs that differ in more than the seed or not even in that; and the errors of
            `diagnose_training`.
    """
    if len(folders) < 2:
        raise TrainingError(f"{len(folders)} run folder", wanted="two or more, of different seeds")
    _require_same_but_seed(folders)
    runs, facts = [], None
    for folder in folders:
        result = diagnose_training(folder)
        if result.best_epoch is None:
            raise TrainingError(f"{folder} ended before its first epoch", remedy="leave this run out")
        facts = result.facts
        best = result.epochs[result.best_epoch - 1]
        runs.append(SeedRun(seed=facts.seed, best_epoch=best.epoch, best_dev_eer=best.dev_eer))
    assert facts is not None
    eers = [run.best_dev_eer for run in runs]
    spread = max(eers) - min(eers)
    limit = max(RANGE_LIMIT, _RANGE_ERRORS * _standard_error(fmean(eers), facts.dev_clips))
    judged = len(runs) >= MIN_RUNS
    rule = by_rule("unstable_seeds", "eer_range", spread, limit=limit, n=len(runs), unit="runs")
    return SeedsResult(
        recipe=facts.recipe,
        runs=tuple(sorted(runs, key=lambda run: run.seed)),
        mean=fmean(eers),
        deviation=stdev(eers),
        lowest=min(eers),
        highest=max(eers),
        judged=judged,
        findings=(rule,) if judged else (),
    )


def _overfitting(epochs: Sequence[Epoch], best: Epoch, dev_clips: int) -> Finding:
    """The smallest rise of the last epochs, where the loss went on falling."""
    held = min(_rise(epoch, best) for epoch in epochs[-HELD_EPOCHS:])
    limit = max(RISE_LIMIT, _RISE_ERRORS * _standard_error(best.dev_eer + RISE_LIMIT, dev_clips))
    return by_rule("overfitting", "held_eer_rise", held, limit=limit, n=len(epochs), unit="epochs")


def _rise(epoch: Epoch, best: Epoch) -> float:
    """EER on dev above its best; 0 where the loss is not below that of the best epoch."""
    fell = epoch.loss is not None and best.loss is not None and epoch.loss < best.loss
    return epoch.dev_eer - best.dev_eer if fell else 0.0


def _since(epochs: Sequence[Epoch], best: Epoch | None, finding: Finding | None) -> int | None:
    """First of the last epochs that all lie beyond the limit."""
    if finding is None or not finding.raised or best is None:
        return None
    first = epochs[-1].epoch
    for epoch in reversed(epochs):
        if _rise(epoch, best) <= finding.limit:
            break
        first = epoch.epoch
    return first


def _standard_error(eer: float, clips: int) -> float:
    """Of an EER on so many clips, half of them bona fide; with fewer of one class it is larger."""
    eer = min(eer, 0.5)
    return math.sqrt(eer * (1 - eer) / clips)


def _non_finite(events: Sequence[Mapping[str, Any]]) -> tuple[NonFinite, ...]:
    """Events by what and where; a roll-back stands beside the skipped step that led to it, and counts once."""
    steps: dict[tuple[str, str], dict[tuple[int, int], None]] = {}
    for event in events:
        # "head.weight, the last of 5": how many more there were is no other culprit.
        culprit = event["culprit"].partition(", the last of ")[0]
        steps.setdefault((event["what"], culprit), {})[event["step"], event["roll_backs"]] = None
    found = [
        NonFinite(what=what, culprit=culprit, steps=tuple(step for step, _ in times))
        for (what, culprit), times in steps.items()
    ]
    return tuple(sorted(found, key=lambda one: -len(one.steps)))


def _require_same_but_seed(folders: Sequence[Path]) -> None:
    first, *others = [read_record(folder)["asked"] for folder in folders]
    for folder, asked in zip(folders[1:], others, strict=True):
        changed = sorted(key for key in first | asked if key != "seed" and first.get(key) != asked.get(key))
        if changed:
            raise TrainingError(
                f"{folder} holds a run with other {', '.join(changed)} than {folders[0]}",
                wanted="runs that differ in the seed alone",
            )
    seeds = [asked.get("seed") for asked in (first, *others)]
    if len(set(seeds)) < len(seeds):
        raise TrainingError(f"seeds {seeds}", wanted="another one for each run")
