"""The report as Markdown: the same content, with figures as files beside it."""

import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from moe_mamba_asv.evaluation.metrics.tdcf import C_FA, C_MISS, P_SPOOF
from moe_mamba_asv.reports.cautions import cautions
from moe_mamba_asv.reports.figures import attack_labels, has_gap
from moe_mamba_asv.reports.locale import Locale, cost, count, load_locale, score
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.sections.all import build_sections
from moe_mamba_asv.reports.words import Words

#: What Markdown would read as markup if it came from a file name or an attack id.
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~$])")


def render_markdown(report: Report, language: str) -> str:
    """Write the Markdown text; figures are linked as ``figures/<name>.svg``.

    Args:
        report: what to show.
        language: one of `LANGUAGES`.
    """
    locale = load_locale(language)
    page = _environment(locale).get_template("report.md.j2")
    text = page.render(
        report=report,
        cautions=cautions(report),
        labels=attack_labels(report),
        sections=build_sections(report, Words(locale)),
        has_gap=has_gap(report),
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _environment(locale: Locale) -> Environment:
    environment = Environment(
        loader=PackageLoader("moe_mamba_asv.reports"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def say(key: str, **values: object) -> str:
        return locale.text(key).format(**values)

    environment.globals.update(say=say, texts=locale.text, term=locale.term)
    environment.globals.update(p_spoof=f"{P_SPOOF:g}", c_miss=f"{C_MISS:g}", c_fa=f"{C_FA:g}")
    environment.filters.update(
        percent=locale.percent,
        level=lambda value: locale.percent(value, decimals=0),
        count=count,
        cost=cost,
        score=score,
        plain=_plain,
        inline=_inline,
        code=_code,
    )
    return environment


def _plain(words: str) -> str:
    """Words from a file, as themselves: one line, nothing in them is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(words.split()))


def _inline(words: str) -> str:
    """The same for a part of a sentence, which keeps the spaces at its ends."""
    return _SPECIAL.sub(r"\\\1", words.replace("\n", " "))


def _code(words: str) -> str:
    """Words from a file as inline code, fenced by more backticks than they hold."""
    words = " ".join(words.split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", words)), default=0))
    space = " " if "`" in words else ""
    return f"{fence}{space}{words}{space}{fence}"
