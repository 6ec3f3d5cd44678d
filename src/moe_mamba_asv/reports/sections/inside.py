"""What was diagnosed of each system, as figures with the numbers that explain them."""

from moe_mamba_asv.diagnostics.results.diagnosis import Diagnosis
from moe_mamba_asv.diagnostics.results.streams import StreamsResult, StreamsShift
from moe_mamba_asv.reports.blocks import Block, Heading, Paragraph, Picture, Section, table
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.words import ABSENT, Words


def inside_section(report: Report, words: Words) -> Section | None:
    """None where nothing was diagnosed."""
    blocks: list[Block] = []
    blocks += _robustness(report, words)
    for number, system in enumerate(report.systems, start=1):
        if system.diagnosis is not None:
            blocks += _of_system(system.evaluation.system, number, system.diagnosis, words)
    return Section("inside", words.say("inside.title"), tuple(blocks)) if blocks else None


def _robustness(report: Report, words: Words) -> list[Block]:
    """One figure for all systems, and what could not be measured of each."""
    tried = [(system.evaluation.system, system.diagnosis.robustness) for system in report.systems if system.diagnosis]
    measured = [(name, result) for name, result in tried if result is not None]
    blocks = _picture("robustness", "robustness", words) if any(result.conditions for _, result in measured) else []
    for name, result in measured:
        if result.not_measured:
            names = words.say("page.comma").join(f"{what} ({why})" for what, why in result.not_measured.items())
            blocks.append(Paragraph(words.fill("inside.not_measured", system=name, names=names), soft=True))
    return blocks


def _of_system(name: str, number: int, diagnosis: Diagnosis, words: Words) -> list[Block]:
    blocks: list[Block] = [Heading((name,))]
    if diagnosis.sample is not None:
        facts = diagnosis.sample
        heard = words.fill(
            "inside.sample",
            bonafide=words.count(facts.counts.bonafide),
            spoof=words.count(facts.counts.spoof),
            corpus=facts.corpus,
            partition=facts.partition or "–",
            seed=words.count(facts.seed),
        )
        blocks.append(Paragraph(heard, soft=True))
    if diagnosis.streams is not None:
        blocks += [*_picture("streams", f"streams-{number}", words), _streams(diagnosis.streams, words)]
    if diagnosis.shift is not None:
        blocks += _shift(diagnosis.shift, words)
    if diagnosis.router is not None:
        blocks += _picture("router", f"router-{number}", words)
    if diagnosis.layers is not None and diagnosis.layers.weights:
        blocks += _picture("layers", f"layers-{number}", words)
    if diagnosis.layers is not None and diagnosis.layers.banks:
        blocks += _picture("sinc", f"sinc-{number}", words)
    if diagnosis.shortcuts is not None:
        blocks += _picture("shortcuts", f"shortcuts-{number}", words)
        trimmed = diagnosis.shortcuts.trimmed.eer
        told = {"before": words.rate(trimmed.before), "after": words.rate(trimmed.after)}
        told["range"] = words.span(trimmed.ci, "points")
        blocks.append(Paragraph(words.fill("inside.trimmed", change=words.points(trimmed.change), **told)))
    return blocks


def _picture(key: str, name: str, words: Words) -> list[Block]:
    return [Picture(name, words.say(f"inside.{key}.alt"), words.fill(f"inside.{key}.caption"))]


def _streams(result: StreamsResult, words: Words) -> Block:
    columns = ("stream", "share", "gate", "gradient_share", "score_change", "without", "interval")
    rows = [
        (
            (stream.name,),
            words.rate(stream.share),
            ABSENT if stream.gate is None else words.number(stream.gate),
            words.rate(stream.gradient_share),
            words.number(stream.score_change),
            words.points(stream.pooled.change),
            words.span(stream.pooled.ci, "points"),
        )
        for stream in result.streams
    ]
    return table(tuple(words.say(f"inside.streams.{name}") for name in columns), rows)


def _shift(shift: StreamsShift, words: Words) -> list[Block]:
    columns = ("stream", "share", "gradient_share")
    rows = [
        ((name,), words.points(share), words.points(shift.gradient_share[name])) for name, share in shift.share.items()
    ]
    told = {"before": words.rate(shift.eer.before), "after": words.rate(shift.eer.after)}
    told["range"] = words.span(shift.eer.ci, "points")
    sentence = words.fill("inside.shift", first=shift.before, second=shift.after, **told)
    return [Paragraph(sentence), table(tuple(words.say(f"inside.streams.{name}") for name in columns), rows)]
