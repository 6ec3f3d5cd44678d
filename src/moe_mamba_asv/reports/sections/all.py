"""Every section of a report after its result, curves and attacks."""

from moe_mamba_asv.reports.blocks import Section
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.sections.bottlenecks import bottlenecks_section
from moe_mamba_asv.reports.sections.history import history_section
from moe_mamba_asv.reports.sections.inside import inside_section
from moe_mamba_asv.reports.sections.published import published_section
from moe_mamba_asv.reports.sections.runs import runs_section
from moe_mamba_asv.reports.sections.steps import steps_section, summary_section
from moe_mamba_asv.reports.words import Words


def build_sections(report: Report, words: Words) -> list[Section]:
    """In the order of the page."""
    found = (
        bottlenecks_section(report, words),
        history_section(report, words),
        published_section(report, words),
        inside_section(report, words),
        runs_section(report, words),
        steps_section(report, words),
        summary_section(report, words),
    )
    return [section for section in found if section is not None]
