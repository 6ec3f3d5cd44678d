"""The pages: numbers equal the JSON, nothing is loaded from outside, nothing is not a number."""

import json
import re
from xml.etree import ElementTree

import pytest
from awkward_names import AWKWARD_ATTACK, AWKWARD_MODEL

from moe_mamba_asv.evaluation.result import Counts, Evaluation
from moe_mamba_asv.reports.cautions import cautions
from moe_mamba_asv.reports.locale import LANGUAGES, load_locale
from moe_mamba_asv.reports.write import write_report


@pytest.fixture(scope="module")
def folders(single, several, tmp_path_factory):
    written = {}
    for name, report in (("single", single), ("several", several)):
        written[name] = tmp_path_factory.mktemp(name)
        write_report(report, written[name])
    return written


@pytest.fixture(params=[(name, language) for name in ("single", "several") for language in LANGUAGES])
def page(request, folders):
    name, language = request.param
    folder = folders[name]
    return {
        "language": language,
        "html": (folder / f"report.{language}.html").read_text(),
        "markdown": (folder / f"report.{language}.md").read_text(),
        "json": json.loads((folder / "report.json").read_text()),
    }


def tree_of(html):
    """The page as XML: fails where a tag is left open, an attribute is bare or an id is twice there."""
    return ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>"))


def data_in(element):
    return [(float(data.get("value")), data.text) for data in element.iter("data")]


def rates(evaluation):
    """Every fraction that a page may show of an evaluation."""
    groups = [evaluation, *evaluation["attacks"].values(), evaluation["known"], evaluation["unknown"]]
    found = [value for group in groups if group for value in (group["eer"], *(group["eer_ci"] or ()))]
    return found + ([evaluation["asv"]["eer"]] if evaluation["asv"] else [])


def test_page_is_well_formed_and_its_ids_are_unique(page):
    tree = tree_of(page["html"])
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    references = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', page["html"])
    assert {first or second for first, second in references} <= set(ids)


def test_page_says_its_language(page):
    assert tree_of(page["html"]).get("lang") == {"en": "en", "zh": "zh-Hans"}[page["language"]]


def test_page_loads_nothing(page):
    tree = tree_of(page["html"])
    assert {element.tag for element in tree.iter()}.isdisjoint({"script", "link", "img", "iframe", "object", "base"})
    for element in tree.iter():
        for name in ("src", "href", "srcset", "data", "action"):
            assert not re.match(r"(?i)\s*(https?:|//)", element.get(name) or ""), element.attrib
    assert not re.search(r"@import|url\((?!#)", page["html"])


def test_nothing_is_nan_or_unfilled(page):
    without_style = re.sub(r"<style>.*?</style>", "", page["html"], flags=re.S)
    for text in (without_style, page["markdown"]):
        assert not re.search(r"\b(nan|NaN|inf|None|undefined)\b", text)
        assert not re.search(r"\{[a-z_]+\}", text)


def test_page_is_small(page):
    assert len(page["html"].encode()) < 2_000_000


def test_every_number_in_the_headline_is_in_the_json_and_rounded_right(page):
    section = next(s for s in tree_of(page["html"]).iter("section") if s.get("id") == "result")
    systems = [system["evaluation"] for system in page["json"]["systems"]]
    fractions = {value for evaluation in systems for value in rates(evaluation)}
    counts = {float(value) for evaluation in systems for value in evaluation["counts"].values()}
    costs = {evaluation[form] for evaluation in systems for form in ("min_tdcf_2019", "min_tdcf_2021")} - {None}
    shown = data_in(section)
    assert {evaluation["eer"] for evaluation in systems} | costs | counts <= {value for value, _ in shown}
    for value, text in shown:
        if "%" in text:
            assert value in fractions
            assert text == load_locale(page["language"]).percent(value)
        elif value in counts:
            assert text == f"{int(value):,}"
        else:
            assert value in costs
            assert text == f"{value:.4f}"


def test_attack_tables_are_the_json(page):
    tables = [table for table in tree_of(page["html"]).iter("table") if table.get("class") == "attacks"]
    systems = [system["evaluation"] for system in page["json"]["systems"]]
    assert len(tables) == len(systems)
    for table, evaluation in zip(tables, systems, strict=True):
        rows = [data_in(row) for row in table.iter("tr") if data_in(row)]
        expected = [[a["n"], a["eer"], *(a["eer_ci"] or ())] for a in evaluation["attacks"].values()]
        assert [[value for value, _ in row] for row in rows] == expected


def cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def test_markdown_tables_are_the_json(page):
    locale = load_locale(page["language"])
    rows = [cells(line) for line in page["markdown"].splitlines() if line.startswith("| ")]
    for system in page["json"]["systems"]:
        evaluation = system["evaluation"]
        headline = [row for row in rows if len(row) == 9 and row[1] == locale.percent(evaluation["eer"])]
        assert headline
        assert headline[0][7:] == [f"{evaluation['counts'][label]:,}" for label in ("bonafide", "spoof")]
        costs = [evaluation["min_tdcf_2019"], evaluation["min_tdcf_2021"]]
        assert headline[0][5:7] == ["–" if cost is None else f"{cost:.4f}" for cost in costs]
        for attack in evaluation["attacks"].values():
            shown = [f"{attack['n']:,}", locale.percent(attack["eer"])]
            assert [row for row in rows if len(row) == 8 and row[1:3] == shown]


def test_markup_in_names_stays_text(page):
    tree = tree_of(page["html"])
    text = "".join(tree.itertext())
    assert AWKWARD_MODEL in text
    assert AWKWARD_ATTACK in text
    assert "<script" not in page["html"]
    outside_code = re.sub(r"(`+).*?\1", "", page["markdown"])
    assert "\\<script" in outside_code
    assert not re.search(r"(?<!\\)<", outside_code)


def test_warnings_stand_above_the_numbers(page):
    html = page["html"]
    said = load_locale(page["language"]).text("warning.failed").split("{count}")[1][:12]
    assert said in page["markdown"]
    assert html.index(said) < html.index('id="result"')
    words = page["json"]["systems"][0]["evaluation"]["warnings"]
    assert words
    assert all(warning in "".join(tree_of(html).itertext()) for warning in words)


def test_limits_are_said(page):
    for item in load_locale(page["language"]).text("limits.items"):
        assert item in page["markdown"]
        assert item in "".join(tree_of(page["html"]).itertext())


def test_only_written_languages_are_linked(single, tmp_path):
    files = write_report(single, tmp_path, ("zh",))
    assert [file.name for file in files if file.parent == tmp_path] == ["report.zh.html", "report.zh.md", "report.json"]
    assert "report.en.html" not in files[0].read_text()


def test_the_same_report_is_written_the_same(single, tmp_path):
    first, second = (write_report(single, tmp_path / name) for name in ("a", "b"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, set()),
        ({"eer": 0.9}, {"reversed"}),
        ({"eer": 0.47}, {"chance"}),
        ({"eer": 0.42, "eer_ci": (0.3, 0.55)}, {"chance"}),
        ({"eer": 0.0}, {"no_errors"}),
        ({"failed": 3}, {"failed"}),
        ({"counts": Counts(bonafide=20, spoof=3000)}, {"few"}),
    ],
)
def test_cautions_follow_the_numbers(single, changes, kinds):
    sound = {"eer": 0.1, "eer_ci": (0.05, 0.15), "failed": 0, "counts": Counts(bonafide=500, spoof=500), "attacks": {}}
    evaluation: Evaluation = single.systems[0].evaluation.model_copy(update=sound | changes)
    report = single.model_copy(update={"systems": (single.systems[0].model_copy(update={"evaluation": evaluation}),)})
    assert {caution.kind for caution in cautions(report)} == kinds
