"""Architecture, training and data of each run, from its own records."""

from moe_mamba_asv.diagnostics.results.training import SeedsResult, TrainingResult
from moe_mamba_asv.reports.blocks import Block, Heading, Paragraph, Picture, Section, Text, table
from moe_mamba_asv.reports.model import Report, SystemReport
from moe_mamba_asv.reports.words import ABSENT, Words


def runs_section(report: Report, words: Words) -> Section | None:
    """None where only score files were given."""
    runs = [(system, system.training) for system in report.systems if system.training is not None]
    if not runs:
        return None
    blocks: list[Block] = []
    if any(training.epochs for _, training in runs):
        blocks.append(Picture("training", words.say("runs.alt"), words.fill("runs.caption")))
    blocks.append(_facts(runs, words))
    blocks += _seeds(report.seeds, words)
    recorded = [system for system, _ in runs]
    if len(recorded) > 1:
        blocks += _differences(recorded, words)
    for system in recorded:
        rows = [(words.key(key), (value,)) for key, value in system.settings.items()]
        title = words.say("runs.settings").format(system=system.evaluation.system)
        blocks.append(table((words.say("runs.key"), words.say("runs.value")), rows, folded=title))
    return Section("runs", words.say("runs.title"), tuple(blocks))


def _facts(runs: list[tuple[SystemReport, TrainingResult]], words: Words) -> Block:
    """A column for each run."""
    rows: dict[str, list[Text]] = {}
    for _, training in runs:
        for name, text in _facts_of(training, words).items():
            rows.setdefault(name, []).append(text)
    heads = ("", *(system.evaluation.system for system, _ in runs))
    return table(heads, [((words.say(f"runs.facts.{name}"),), *texts) for name, texts in rows.items()])


def _facts_of(training: TrainingResult, words: Words) -> dict[str, Text]:
    facts = training.facts
    best = None if training.best_epoch is None else training.epochs[training.best_epoch - 1]
    changed = {True: words.say("runs.changed"), False: "", None: ""}[facts.has_changes]
    data = ", ".join(f"{one.corpus} {one.sha256[:12]}" for one in (*facts.train, *facts.dev))
    return {
        "recipe": words.key(facts.recipe),
        "seed": words.count(facts.seed),
        "data": (data,),
        "clips": words.fill("runs.clips", train=words.count(facts.train_clips), dev=words.count(facts.dev_clips)),
        "epochs": words.count(len(training.epochs)),
        "best": ABSENT
        if best is None
        else words.fill("runs.best", epoch=words.count(best.epoch), eer=words.rate(best.dev_eer)),
        "steps": words.fill(
            "runs.steps", steps=words.count(training.steps), skipped=words.count(training.skipped_steps)
        ),
        "roll_backs": words.count(training.roll_backs),
        "overfit": (words.say("runs.no_overfit"),)
        if training.overfit_since is None
        else words.fill("runs.overfit", epoch=words.count(training.overfit_since)),
        "machine": (", ".join([facts.system, *facts.gpus]),),
        "code": (f"{(facts.commit or '–')[:12]}{changed}",),
        "when": (f"{facts.started} – {facts.ended or words.say('runs.unfinished')}",),
    }


def _seeds(results: tuple[SeedsResult, ...], words: Words) -> list[Block]:
    return [
        Paragraph(
            words.fill(
                "runs.seeds",
                recipe=result.recipe,
                n=words.count(len(result.runs)),
                mean=words.rate(result.mean),
                deviation=words.points(result.deviation),
                low=words.rate(result.lowest),
                high=words.rate(result.highest),
            )
        )
        for result in results
    ]


def _differences(systems: list[SystemReport], words: Words) -> list[Block]:
    """Settings in which the runs are not all alike."""
    keys = dict.fromkeys(key for system in systems for key in system.settings)
    rows: list[tuple[Text, ...]] = []
    for key in keys:
        values = [system.settings.get(key, "–") for system in systems]
        if len(set(values)) > 1:
            rows.append((words.key(key), *((value,) for value in values)))
    if not rows:
        return [Paragraph(words.fill("runs.alike"))]
    heads = (words.say("runs.key"), *(system.evaluation.system for system in systems))
    return [Heading((words.say("runs.differences"),)), table(heads, rows)]
