"""The documentation: every page is found, every link resolves, the site builds."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from made_pages import CODE, DOCS, FENCE, PAGES, READ_ELSEWHERE, ROOT, name_of
from moe_mamba_asv.training.recipe import recipe_names

_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)(?: \"[^\"]*\")?\)")


# Pages.


class _Loader(yaml.SafeLoader):
    """mkdocs.yml names a Python function, which is nothing to this test."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def in_nav(entries: object) -> Iterator[str]:
    if isinstance(entries, str):
        yield entries
    for entry in entries.values() if isinstance(entries, dict) else entries if isinstance(entries, list) else ():
        yield from in_nav(entry)


def test_every_page_is_in_the_menu_once() -> None:
    config = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), _Loader)
    named = list(in_nav(config["nav"]))
    english = [page.relative_to(DOCS).as_posix() for page in PAGES if not page.name.endswith(".zh.md")]
    assert sorted(named) == sorted(english)


def test_every_translation_has_its_original() -> None:
    translations = [page for page in PAGES if page.name.endswith(".zh.md")]
    assert [name_of(page) for page in translations if not page.with_name(page.name[:-6] + ".md").is_file()] == []


# Links.


def without_code(text: str) -> str:
    return CODE.sub("", FENCE.sub("", text))


def anchor_of(heading: str) -> str:
    """As GitHub makes it, and the site."""
    explicit = re.search(r"\{ *#([\w-]+) *\}\s*$", heading)
    if explicit:
        return explicit[1]
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


@cache
def anchors(page: Path) -> frozenset[str]:
    headings = re.findall(r"^#{1,6} (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return frozenset(anchor_of(heading) for heading in headings)


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere; those to other hosts are not followed."""
    wrong = []
    for target in _LINK.findall(without_code(text)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place) if place else page
        if not file.exists() or (anchor and anchor not in anchors(file.resolve())):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", PAGES + READ_ELSEWHERE, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text(encoding="utf-8")) == []


def test_a_planted_broken_link_is_found() -> None:
    text = "[a](nowhere.md), [b](data.md#no-such-part), `[c](code.md)`, [d](data.md#check-first), [`e`](#fine) [f](x:y)"
    assert broken(DOCS / "theory.md", text) == ["nowhere.md", "data.md#no-such-part", "#fine"]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Costs of a tandem: t-DCF", "costs-of-a-tandem-t-dcf"),
        ("`mma score`, and *more*", "mma-score-and-more"),
        ("A — B", "a--b"),
        ("校准", "校准"),
        ("区间 {#intervals}", "intervals"),
    ],
)
def test_anchors_are_those_of_the_code_host(heading: str, anchor: str) -> None:
    assert anchor_of(heading) == anchor


# The site.


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_hook_{name}", DOCS / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_recipes_has_them_all() -> None:
    table = hook("recipes").recipes_table({"phase4": "317,065,355"}).splitlines()
    assert [row.split("`")[1] for row in table[2:]] == recipe_names()
    assert len({row.count("|") for row in table}) == 1
    row = next(row for row in table if row.startswith("| `phase4` "))
    assert row.endswith(" 4 BiMamba blocks | cross-entropy | 12 | 50 | 5e-05 | 1e-06 | 317,065,355 |")


def test_sizes_are_those_that_the_pages_state() -> None:
    sizes = hook("recipes").stated_sizes(DOCS)
    assert sizes["phase3"] == "317,485,989"
    assert sizes["aasist"] == "297,866"
    assert set(sizes) <= set(recipe_names())


def test_pages_that_state_two_sizes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "models.md").write_text("| `aasist` | 297,866 | x |\n")
    (tmp_path / "train-each-phase.md").write_text("| `aasist` | 297,867 | x |\n")
    with pytest.raises(ValueError, match="aasist has 297,867 parameters, elsewhere 297,866"):
        hook("recipes").stated_sizes(tmp_path)


def test_links_out_of_the_site_lose_the_link_alone() -> None:
    class Page:
        class file:  # noqa: N801
            src_uri = "adr/0005-the-scan.md"

    text = "[`a`](../../src/a.py), [b](../scan.md#speed), [c](../../README.md#x) and ![d](../images/d.png)"
    assert hook("links").on_page_markdown(text, page=Page) == "`a`, [b](../scan.md#speed), c and ![d](../images/d.png)"


#: MkDocs with every connection refused.
BUILD = """
import socket, sys
def refuse(*arguments, **named):
    raise OSError("the site must build without a network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from mkdocs.__main__ import cli
cli()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("mkdocs", "material", "mkdocs_static_i18n", "mkdocstrings"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-c", BUILD, "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_the_site_builds_strictly_in_two_languages(site: Path) -> None:
    for page in ("index.html", "recipes.html", "reference/models.html", "adr/0001-the-house.html"):
        assert '<html lang="en"' in (site / page).read_text(encoding="utf-8")
        assert '<html lang="zh"' in (site / "zh" / page).read_text(encoding="utf-8")
    assert "phase5-neck-small" in (site / "recipes.html").read_text(encoding="utf-8")
    assert "moe_mamba_asv.models.build.build_model" in (site / "reference/models.html").read_text(encoding="utf-8")
    assert not (site / "hooks").exists()


def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    loads = re.compile(r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)""")
    found = {url for page in site.rglob("*.html") for url in loads.findall(page.read_text(encoding="utf-8"))}
    assert found == set()
    styles = "".join(sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css"))
    assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']+", styles) == []
