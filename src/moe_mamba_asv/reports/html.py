"""The report as one HTML page that needs nothing from outside itself."""

from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from moe_mamba_asv.evaluation.metrics.tdcf import C_FA, C_MISS, P_SPOOF
from moe_mamba_asv.reports.canvas import for_page, legend_swatch
from moe_mamba_asv.reports.cautions import cautions
from moe_mamba_asv.reports.figures import attack_labels
from moe_mamba_asv.reports.locale import LANGUAGES, Locale, cost, count, load_locale, score
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.reports.sections.all import build_sections
from moe_mamba_asv.reports.words import Words


def render_html(report: Report, language: str, figures: Mapping[str, str], languages: Sequence[str] = LANGUAGES) -> str:
    """Write the page.

    Every number stands in a ``<data value="…">`` element that carries all its digits.

    Args:
        report: what to show.
        language: one of `LANGUAGES`.
        figures: as `draw_figures` gives them.
        languages: those that are written; the page links to the other one only if it is there.
    """
    locale = load_locale(language)
    page = _report_environment(locale).get_template("report.html.j2")
    return page.render(
        report=report,
        cautions=cautions(report),
        figures={name: Markup(for_page(svg, name)) for name, svg in figures.items()},
        labels=attack_labels(report),
        languages=languages,
        sections=build_sections(report, Words(locale)),
    )


def environment_of(locale: Locale) -> Environment:
    """What every page is rendered in: escaped, strict, and in a language by ``say``, ``texts`` and ``term``."""
    environment = Environment(
        loader=PackageLoader("moe_mamba_asv.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def say(key: str, **values: object) -> Markup:
        """A text with its placeholders filled; values that are no markup are escaped."""
        return escape(locale.text(key)).format(**values)

    environment.globals.update(say=say, texts=locale.text, term=locale.term)
    return environment


def _report_environment(locale: Locale) -> Environment:
    environment = environment_of(locale)
    environment.globals.update(swatch=_swatch)
    environment.globals.update(p_spoof=f"{P_SPOOF:g}", c_miss=f"{C_MISS:g}", c_fa=f"{C_FA:g}")
    environment.filters.update(
        percent=lambda value: _data(value, locale.percent(value)),
        level=lambda value: locale.percent(value, decimals=0),
        count=lambda value: _data(value, count(value)),
        cost=lambda value: _data(value, cost(value)),
        score=lambda value: _data(value, score(value)),
        exact=repr,
    )
    return environment


def _data(value: float, shown: str) -> Markup:
    return Markup('<data value="{}">{}</data>').format(repr(value), shown)


def _swatch(number: int) -> Markup:
    return Markup(legend_swatch(number))
