"""Against a baseline on the same trials, and beside what others published."""

from moe_mamba_asv.reports.blocks import Block, Heading, Mark, Number, Paragraph, Section, Text, table
from moe_mamba_asv.reports.locale import cost
from moe_mamba_asv.reports.model import PublishedRow, Report
from moe_mamba_asv.reports.sections.history import pair_blocks
from moe_mamba_asv.reports.words import ABSENT, Words


def published_section(report: Report, words: Words) -> Section | None:
    """None where there is neither a baseline nor a published result on this partition."""
    if not report.against_baseline and not report.published:
        return None
    blocks: list[Block] = []
    if report.against_baseline:
        blocks.append(Paragraph(words.fill("published.measured", baseline=report.against_baseline[0].b)))
        for pair in report.against_baseline:
            blocks += pair_blocks(pair, words)
    if report.published:
        blocks += [
            Heading((words.say("published.others"),)),
            Paragraph(words.fill("published.caution"), soft=True),
            _table(report, words),
        ]
    return Section("published", words.say("published.title"), tuple(blocks))


def _table(report: Report, words: Words) -> Block:
    names = [system.evaluation.system for system in report.systems]
    heads = [words.say(f"published.columns.{name}") for name in ("system", "status", "eer", "tdcf")]
    heads += [words.say("published.columns.times").format(system=name) for name in names]
    heads.append(words.say("published.columns.source"))
    return table(tuple(heads), [_row(row, names, words) for row in report.published])


def _row(row: PublishedRow, names: list[str], words: Words) -> tuple[Text, ...]:
    tdcf = row.min_tdcf_2019
    name: Text = (Mark("known", row.system),) if row.is_baseline else (row.system,)
    return (
        name,
        (words.say(f"published.{row.status}"),),
        words.rate(row.eer),
        ABSENT if tdcf is None else (Number(tdcf, cost(tdcf)),),
        *(words.times(row.times[system]) for system in names),
        (row.source,),
    )
