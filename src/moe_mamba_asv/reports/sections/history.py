"""What changed from run to run, what of it is shown, and who paid for it."""

from moe_mamba_asv.evaluation.comparison.result import Difference, GroupComparison, PairComparison
from moe_mamba_asv.reports.blocks import Block, Heading, Paragraph, Picture, Section, Text, table
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.words import ABSENT, Words


def history_section(report: Report, words: Words) -> Section | None:
    """Each run against the run before it; None for a single one."""
    if not report.history:
        return None
    blocks: list[Block] = [
        Paragraph(words.fill("history.intro", n=words.count(report.compared_trials or 0)), soft=True),
        Picture("slope", words.say("history.alt"), words.fill("history.caption")),
    ]
    for pair in report.history:
        blocks += pair_blocks(pair, words)
    return Section("history", words.say("history.title"), tuple(blocks))


def pair_blocks(pair: PairComparison, words: Words) -> list[Block]:
    """From A to B: pooled, known and unknown attacks, then each attack; and a sentence on who gained and who paid."""
    rows = [_row(words.say("history.all"), pair.pooled, words)]
    if pair.known is not None:
        rows.append(_row(words.say("history.known"), pair.known, words))
    if pair.unknown is not None:
        rows.append(_row(words.say("history.unknown"), pair.unknown, words))
    rows += [_row(name, group, words) for name, group in pair.attacks.items()]
    columns = ("attack", "before", "after", "change", "interval", "p", "verdict")
    return [
        Heading(words.fill("history.pair", a=pair.a, b=pair.b)),
        Paragraph(_sentence(pair, words)),
        table(tuple(words.say(f"history.columns.{name}") for name in columns), rows),
    ]


def change_verdict(difference: Difference) -> str | None:
    """Of B, against A."""
    return {"A better": "worse", "B better": "better", "no difference shown": "none"}.get(difference.verdict or "")


def _row(name: str, group: GroupComparison, words: Words) -> tuple[Text, ...]:
    difference = group.differences["eer"]
    ci = None if difference.ci is None else (-difference.ci[1], -difference.ci[0])
    p = difference.p if difference.p_corrected is None else difference.p_corrected
    return (
        (name,),
        words.rate(difference.a),
        words.rate(difference.b),
        words.points(-difference.value),
        words.span(ci, "points"),
        ABSENT if p is None else words.number(p),
        words.verdict(change_verdict(difference)),
    )


def _sentence(pair: PairComparison, words: Words) -> Text:
    pooled = pair.pooled.differences["eer"]
    told = {name: change_verdict(group.differences["eer"]) for name, group in pair.attacks.items()}
    gained, paid = ([name for name, verdict in told.items() if verdict == kind] for kind in ("better", "worse"))
    values = {"a": pair.a, "b": pair.b, "before": words.rate(pooled.a), "after": words.rate(pooled.b)}
    key = {"better": "fell", "worse": "rose", "none": "level"}.get(change_verdict(pooled) or "", "moved")
    sentence = words.fill(f"history.{key}", **values)
    comma = words.say("page.comma")
    if gained:
        sentence += words.fill("history.gained", names=comma.join(gained))
    if paid:
        sentence += words.fill("history.paid", names=comma.join(paid))
    return sentence
