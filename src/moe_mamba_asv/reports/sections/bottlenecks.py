"""Bottlenecks: each with its evidence, its likely cause and the test behind it; and what was tested and not found."""

from collections.abc import Iterator, Sequence

from moe_mamba_asv.diagnostics.results.diagnosis import KINDS, Diagnosis
from moe_mamba_asv.diagnostics.results.finding import Fault, Finding
from moe_mamba_asv.reports.blocks import Block, Bullets, Code, Heading, Mark, Paragraph, Section, Text, table
from moe_mamba_asv.reports.model import Report, SystemReport
from moe_mamba_asv.reports.rules import SUGGESTIONS
from moe_mamba_asv.reports.words import MEASURES, Words


def bottlenecks_section(report: Report, words: Words) -> Section:
    """All rules that were tested, the raised ones first and in full."""
    findings = list(all_findings(report))
    raised = [(system, finding) for system, finding in findings if finding.raised]
    blocks: list[Block] = [
        Paragraph(
            words.fill(
                "bottlenecks.intro", rules=words.count(report.rules.tested), raised=words.count(report.rules.raised)
            )
        )
    ]
    for fault in SUGGESTIONS:
        of_fault = [(system, finding) for system, finding in raised if finding.fault == fault]
        if of_fault:
            blocks += _fault_blocks(fault, of_fault, words)
    quiet = [(system, finding) for system, finding in findings if not finding.raised]
    if quiet:
        blocks.append(_quiet(quiet, words))
    untested = _untested(report, words)
    if untested:
        blocks += [Heading((words.say("bottlenecks.untested"),)), Bullets(tuple(untested))]
    return Section("bottlenecks", words.say("bottlenecks.title"), tuple(blocks))


def all_findings(report: Report) -> Iterator[tuple[str, Finding]]:
    """Of every system, by its name; and of sets of runs, by their recipe."""
    for system in report.systems:
        for finding in system.findings:
            yield system.evaluation.system, finding
    for result in report.seeds:
        for finding in result.findings:
            yield result.recipe, finding


def _fault_blocks(fault: Fault, found: list[tuple[str, Finding]], words: Words) -> list[Block]:
    # The strongest evidence first, within one measure.
    found = sorted(found, key=lambda one: (one[1].measure, -abs(one[1].value - one[1].limit)))
    lines = [words.evidence(system, finding) for system, finding in found]
    return [
        Heading((Mark("fault", words.say(f"faults.{fault}.title")),)),
        Bullets(tuple(lines)),
        Paragraph(words.fill("bottlenecks.cause", text=words.say(f"faults.{fault}.cause"))),
        Paragraph(words.fill("bottlenecks.test", text=words.say(f"faults.{fault}.test")), soft=True),
    ]


def _quiet(found: list[tuple[str, Finding]], words: Words) -> Block:
    rows = [
        (
            (words.say(f"faults.{finding.fault}.title"),),
            (words.place(system, finding.where),),
            (words.say(f"measures.{finding.measure}"),),
            words.written(finding.value, MEASURES[finding.measure]),
            words.span(finding.ci, MEASURES[finding.measure]),
            words.limit(finding),
            words.count(finding.n),
        )
        for system, finding in found
    ]
    columns = ("fault", "where", "measure", "value", "interval", "limit", "n")
    heads = tuple(words.say(f"bottlenecks.columns.{name}") for name in columns)
    return table(heads, rows, folded=words.say("bottlenecks.quiet"))


def _untested(report: Report, words: Words) -> list[Text]:
    """What no rule could look at, and the command that would let it."""
    lacking = {
        "no_dev": [system for system in report.systems if system.gap is None and report.partition != "dev"],
        "no_run": [system for system in report.systems if system.training is None],
        "no_diagnosis": [system for system in report.systems if system.diagnosis is None],
    }
    command = Code(f"mma diagnose RUN --corpus {report.corpus} --root …")
    lines = [
        words.fill(f"bottlenecks.{key}", systems=_names(systems, words), command=command)
        for key, systems in lacking.items()
        if systems
    ]
    for system in report.systems:
        if system.diagnosis is not None:
            lines += _left_out(system.evaluation.system, system.diagnosis, words)
    return lines


def _names(systems: Sequence[SystemReport], words: Words) -> str:
    return words.say("page.comma").join(system.evaluation.system for system in systems)


def _left_out(name: str, diagnosis: Diagnosis, words: Words) -> list[Text]:
    """Kinds that were not looked for, and those that do not apply; the records of training are read elsewhere."""
    kinds = [kind for kind in KINDS if kind != "training" and getattr(diagnosis, kind) is None]
    asked = words.say("bottlenecks.not_asked")
    return [
        words.fill(
            "bottlenecks.no_kind",
            system=name,
            kind=words.say(f"kinds.{kind}"),
            reason=diagnosis.not_done.get(kind, asked),
        )
        for kind in kinds
    ]
