"""Next steps, by stated rules, and the whole in a few sentences."""

from moe_mamba_asv.reports.blocks import Bullets, Paragraph, Section, Text
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.rules import COMMANDS
from moe_mamba_asv.reports.sections.history import change_verdict
from moe_mamba_asv.reports.words import Words


def steps_section(report: Report, words: Words) -> Section:
    """What to try next, and the fault that asks for it."""
    comma = words.say("page.comma")
    items = [
        words.fill(
            "steps.item",
            step=words.fill(f"suggestions.{suggestion.key}", command=words.key(COMMANDS[suggestion.key])),
            because=comma.join(words.say(f"faults.{fault}.title") for fault in suggestion.because),
        )
        for suggestion in report.suggestions
    ]
    intro = words.fill("steps.intro") if items else words.fill("steps.none")
    blocks = (Paragraph(intro, soft=bool(items)), *([Bullets(tuple(items))] if items else []))
    return Section("steps", words.say("steps.title"), blocks)


def summary_section(report: Report, words: Words) -> Section:
    """Computed sentences: the best system, its worst attack, what was shown to change, what was found."""
    systems = sorted(report.systems, key=lambda system: system.evaluation.eer)
    best = systems[0].evaluation
    lines: list[Text] = []
    if len(systems) > 1:
        lines.append(words.fill("summary.best", system=best.system, eer=words.rate(best.eer)))
    else:
        lines.append(words.fill("summary.only", system=best.system, eer=words.rate(best.eer)))
    if best.attacks:
        worst = max(best.attacks, key=lambda name: best.attacks[name].eer)
        lines.append(words.fill("summary.worst", attack=worst, eer=words.rate(best.attacks[worst].eer)))
    if best.known and best.unknown:
        told = {"known": words.rate(best.known.eer), "unknown": words.rate(best.unknown.eer)}
        lines.append(words.fill("summary.groups", **told))
    lines += _shown_changes(report, words)
    found = {"rules": words.count(report.rules.tested), "faults": words.count(report.rules.kinds)}
    lines.append(words.fill("summary.found", **found))
    return Section("summary", words.say("summary.title"), (Bullets(tuple(lines)),))


def _shown_changes(report: Report, words: Words) -> list[Text]:
    lines = []
    for pair in report.history:
        verdict = change_verdict(pair.pooled.differences["eer"])
        key = {"better": "summary.improved", "worse": "summary.worsened", "none": "summary.level"}.get(verdict or "")
        if key:
            lines.append(words.fill(key, a=pair.a, b=pair.b))
    return lines
