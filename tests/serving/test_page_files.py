"""The files of the page: whole in both languages, asking nobody else, and served under their names alone."""

import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from string import Formatter

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from moe_mamba_asv.serving.page import PAGE_PATHS, add_page

PAGE = {file.name: file.read_text() for file in files("moe_mamba_asv.serving").joinpath("page").iterdir()}
SCRIPTS = "\n".join(content for name, content in PAGE.items() if name.endswith(".js"))
TEXTS: dict[str, dict[str, str]] = json.loads(PAGE["texts.json"])
#: Names a kind of picture; nothing is fetched from it.
SVG_NAME = "http://www.w3.org/2000/svg"


class _Tags(HTMLParser):
    """All tags with their attributes, and what stands within scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside = ""
        self.feed(PAGE["index.html"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style"):
            self.inside += data.strip()


TAGS = _Tags()


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    add_page(app)
    return TestClient(app)


def test_both_languages_have_the_same_texts() -> None:
    assert TEXTS.keys() == {"en", "zh"}
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, english in TEXTS["en"].items():
        chinese = TEXTS["zh"][key]
        fields = [{name for _, name, _, _ in Formatter().parse(words) if name} for words in (english, chinese)]
        assert fields[0] == fields[1], key
        assert english.strip(), key
        assert re.search("[\u4e00-\u9fff]", chinese) or key.startswith("other_language"), key


def test_every_text_that_is_asked_for_is_there_and_the_other_way_round() -> None:
    named = {value for _, attrs in TAGS.tags for name in ("data-text", "data-label") if (value := attrs.get(name))}
    asked = set(re.findall(r'\btext\("(\w+)"', SCRIPTS)) | set(
        re.findall(r'"((?:error|fact|means|timeline|pooled)_\w+)"', SCRIPTS)
    )
    assert len(named) > 30
    assert len(asked) > 40
    assert named | asked <= TEXTS["en"].keys()
    # A script may also keep a key in a table, as a word of its own.
    words = set(re.findall(r'"(\w+)"', SCRIPTS))
    assert TEXTS["en"].keys() <= named | words


@pytest.mark.parametrize("name", sorted(PAGE))
def test_no_address_of_anybody_else_is_named(name: str) -> None:
    rest = PAGE[name].replace(SVG_NAME, "")
    assert not re.search(r"(https?:|wss?:|[\"'(=]\s*)//\w", rest, re.IGNORECASE)


def test_the_page_holds_no_script_style_or_handler_within() -> None:
    assert not TAGS.inside
    for tag, attrs in TAGS.tags:
        assert tag != "style"
        assert not [name for name in attrs if name == "style" or name.startswith("on")]
        assert tag != "script" or attrs.get("src")
    for forbidden in (
        "innerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        'setAttribute("style"',
    ):
        assert forbidden not in SCRIPTS


def test_every_control_has_a_name() -> None:
    labelled = {attrs["for"] for tag, attrs in TAGS.tags if tag == "label" and "for" in attrs}
    for tag, attrs in TAGS.tags:
        if tag in ("input", "select") and attrs.get("type") != "file":  # that one stands within its label
            assert attrs["id"] in labelled or attrs.get("data-label"), attrs
        if tag == "button":
            assert attrs.get("type") in ("button", "submit")
    ids = [attrs["id"] for _, attrs in TAGS.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    # What the scripts look for is there.
    assert set(re.findall(r'\bat\("([\w-]+)"\)', SCRIPTS)) <= set(ids)


def test_the_scripts_import_only_what_a_served_file_exports() -> None:
    imports = re.findall(r'import \{ ([\w, ]+) \} from "\./([\w.]+)"', SCRIPTS)
    assert len(imports) == len(re.findall(r"^import ", SCRIPTS, re.MULTILINE)) > 10
    for names, file in imports:
        assert f"/page/{file}" in PAGE_PATHS
        exported = re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", PAGE[file], re.MULTILINE)
        assert set(names.split(", ")) <= set(exported), file


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page/page.css", "text/css; charset=utf-8"),
        ("/page/page.js", "text/javascript; charset=utf-8"),
        ("/page/texts.json", "application/json"),
        ("/page/icon.svg", "image/svg+xml"),
    ],
)
def test_a_file_is_served_as_what_it_is(client: TestClient, path: str, kind: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == PAGE[path.rpartition("/")[2] or "index.html"]
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")


def test_all_files_are_served(client: TestClient) -> None:
    assert {path.rpartition("/")[2] or "index.html" for path in PAGE_PATHS} == PAGE.keys()
    assert all(client.get(path).status_code == 200 for path in PAGE_PATHS)


def test_a_file_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/page/page.js").headers["etag"]
    again = client.get("/page/page.js", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get("/page/page.js", headers={"If-None-Match": '"another"'}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/page",
        "/page/",
        "/page/other.js",
        "/page/index.html",
        "/page/../page.py",
        "/page/%2e%2e/page.py",
        "/page/..%2fpage.py",
        "/page//etc/passwd",
        "/page/page.js%00",
        "/index.html",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_page_is_no_part_of_the_api(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["paths"] == {}
