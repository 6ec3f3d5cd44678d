"""A report on disk: two languages, two forms, the numbers as JSON, the figures as files."""

import json
from pathlib import Path

from moe_mamba_asv.reports.canvas import for_file
from moe_mamba_asv.reports.figures import draw_figures
from moe_mamba_asv.reports.html import render_html
from moe_mamba_asv.reports.locale import LANGUAGES
from moe_mamba_asv.reports.markdown import render_markdown
from moe_mamba_asv.reports.model import Report
from moe_mamba_asv.scores import write_atomically


def write_report(report: Report, folder: Path, languages: tuple[str, ...] = LANGUAGES) -> list[Path]:
    """Write ``report.<language>.html``, ``report.<language>.md``, ``report.json`` and ``figures/*.svg``.

    Args:
        report: what to write.
        folder: made where it is absent; files of an earlier report are replaced.
        languages: out of `LANGUAGES`.

    Returns:
        The files, pages first.
    """
    figures = draw_figures(report)
    contents: dict[str, str] = {}
    for language in languages:
        contents[f"report.{language}.html"] = render_html(report, language, figures, languages)
        contents[f"report.{language}.md"] = render_markdown(report, language)
    contents["report.json"] = (
        json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    )
    for name, svg in figures.items():
        contents[f"figures/{name}.svg"] = for_file(svg)
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return [folder / name for name in contents]
