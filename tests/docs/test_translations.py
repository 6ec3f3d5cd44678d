"""The documentation says the same in both languages: each page has a Chinese twin, and the two cannot drift apart."""

import re
from collections import Counter
from pathlib import Path

import pytest

from made_pages import CODE, DOCS, FENCE

# Decisions and the Python interface are in English alone.
ENGLISH_ALONE = ("adr", "reference")

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# "1.3 million" is 130 万 in Chinese, so such numbers are not compared.
_COUNTED_IN_WORDS = re.compile(r"[\d.,]+ ?(?:million|billion|万|亿)")


def english_pages() -> list[Path]:
    pages = (page.relative_to(DOCS) for page in DOCS.rglob("*.md") if not page.name.endswith(".zh.md"))
    return sorted(page for page in pages if page.parts[0] not in ENGLISH_ALONE)


def twin(page: Path) -> Path:
    return page.with_suffix(".zh.md")


def read(page: Path) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def code_blocks(text: str) -> list[str]:
    return [block[0] for block in FENCE.finditer(text)]


def without_code(text: str) -> str:
    return FENCE.sub("", text)


def tables(text: str) -> list[list[str]]:
    """The rows of each table of a text without code."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return [rows for rows in found if rows]


def table_facts(text: str) -> list[list[tuple[int, list[str]]]]:
    """Of each row of each table: how many bars it has and which numbers, in any order."""
    return [[(row.count("|"), sorted(_NUMBER.findall(row))) for row in rows] for rows in tables(text)]


def figures(text: str) -> list[str]:
    """The numbers of a text that were measured or counted, as far as their form tells: 0.83, 1,582, 2.13.0."""
    numbers = _NUMBER.findall(_COUNTED_IN_WORDS.sub("", text))
    return [number for number in numbers if not number.isdigit()]


def inline_code(text: str) -> set[str]:
    return {" ".join(code[2].split()) for code in CODE.finditer(text)}


def uneven(english: list[str], chinese: list[str]) -> str:
    """What one language has more often than the other; empty if they have the same."""
    ours, theirs = Counter(english), Counter(chinese)
    parts = [("English alone", ours - theirs), ("Chinese alone", theirs - ours)]
    return "; ".join(f"{where}: {', '.join(sorted(more.elements()))}" for where, more in parts if more)


def differences(english: str, chinese: str) -> list[str]:
    """What a page and its twin do not have in common, a line each."""
    blocks = [code_blocks(text) for text in (english, chinese)]
    pairs = enumerate(zip(*blocks, strict=False), 1)
    found = [f"code block {i} differs:\n{ours}" for i, (ours, theirs) in pairs if ours != theirs]
    if len(blocks[0]) != len(blocks[1]):
        found.append(f"code blocks: {len(blocks[0])} in English, {len(blocks[1])} in Chinese")
    english, chinese = without_code(english), without_code(chinese)
    levels = [[len(marks) for marks, _ in _HEADING.findall(text)] for text in (english, chinese)]
    if levels[0] != levels[1]:
        found.append(f"levels of headings: {levels[0]} in English, {levels[1]} in Chinese")
    return found + differences_of_tables(english, chinese) + differences_of_words(english, chinese)


def differences_of_tables(english: str, chinese: str) -> list[str]:
    ours, theirs = table_facts(english), table_facts(chinese)
    if [len(rows) for rows in ours] != [len(rows) for rows in theirs]:
        return [f"rows of tables: {[len(r) for r in ours]} in English, {[len(r) for r in theirs]} in Chinese"]
    return [
        f"table {i}, row {j}: bars and numbers {row} in English, {other} in Chinese"
        for i, (rows, others) in enumerate(zip(ours, theirs, strict=True), 1)
        for j, (row, other) in enumerate(zip(rows, others, strict=True), 1)
        if row != other
    ]


def differences_of_words(english: str, chinese: str) -> list[str]:
    kinds = {
        "links": [_LINK.findall(text) for text in (english, chinese)],
        "front matter": [_FRONT_MATTER.findall(text) for text in (english, chinese)],
        "comments": [_COMMENT.findall(text) for text in (english, chinese)],
        "inline code": [sorted(inline_code(text)) for text in (english, chinese)],
        "figures": [figures(text) for text in (english, chinese)],
    }
    return [f"{kind}: {uneven(*both)}" for kind, both in kinds.items() if uneven(*both)]


def test_every_page_has_a_twin() -> None:
    missing = [str(twin(page)) for page in english_pages() if not (DOCS / twin(page)).is_file()]
    assert not missing, f"to be written in docs/: {', '.join(missing)}"


@pytest.mark.parametrize("page", english_pages(), ids=str)
def test_a_page_and_its_twin_say_the_same(page: Path) -> None:
    if not (DOCS / twin(page)).is_file():
        pytest.skip("no twin; test_every_page_has_a_twin names it")
    found = differences(read(page), read(twin(page)))
    assert not found, f"{twin(page)}\n" + "\n".join(found)


@pytest.mark.parametrize("page", english_pages(), ids=str)
def test_anchors_that_chinese_pages_link_to_are_there(page: Path) -> None:
    """A Chinese heading has no English anchor unless it states one: `## 速度 {#speed}`."""
    if not (DOCS / twin(page)).is_file():
        pytest.skip("no twin; test_every_page_has_a_twin names it")
    missing = []
    for link in _LINK.findall(without_code(read(twin(page)))):
        target, _, anchor = link.partition("#")
        there = (DOCS / page.parent / target).resolve() if target else (DOCS / page)
        if not anchor or "://" in link or not there.with_suffix(".zh.md").is_file():
            continue
        if f"{{#{anchor}}}" not in there.with_suffix(".zh.md").read_text(encoding="utf-8"):
            missing.append(f"{link}: no heading of {there.stem}.zh.md ends with {{#{anchor}}}")
    assert missing == []


ENGLISH = """# Speed

One core takes **1.96 s** for 213 clips, see [the scan](scan.md) and `mma bench`.

```sh
mma bench scan  # two threads
```

## In numbers

| model | time |
|---|---|
| AASIST, batches of 8 | 4.7 s, 0.42 of 1,535 MiB |
"""

CHINESE = """# 速度

用 `mma bench` 测得，213 条在一个核上需 **1.96 秒**，见[扫描](scan.md)。

```sh
mma bench scan  # two threads
```

## 数字

| 模型 | 时间 |
|---|---|
| AASIST，批次为 8 | 4.7 秒，1,535 MiB 的 0.42 |
"""


def test_a_true_translation_has_no_differences() -> None:
    assert differences(ENGLISH, CHINESE) == []


@pytest.mark.parametrize(
    ("true", "wrong", "named"),
    [
        ("scan  # two", "scan  # 2", "code block 1 differs"),
        ("```sh\nmma bench scan  # two threads\n```\n", "", "code blocks: 1 in English, 0 in Chinese"),
        ("4.7 秒", "4.8 秒", "table 1, row 3"),
        ("批次为 8", "批次为 16", "table 1, row 3"),
        ("AASIST，批次为 8 |", "AASIST，批次为 8 | |", "table 1, row 3"),
        ("| AASIST，批次为 8 | 4.7 秒，1,535 MiB 的 0.42 |\n", "", "rows of tables"),
        ("1.96", "1.69", "figures: English alone: 1.96; Chinese alone: 1.69"),
        ("(scan.md)", "(models.md)", "links: English alone: scan.md; Chinese alone: models.md"),
        ("## 数字", "### 数字", "levels of headings: [1, 2] in English, [1, 3] in Chinese"),
        ("`mma bench`", "`mma score`", "inline code: English alone: mma bench"),
    ],
)
def test_planted_faults_are_named(true: str, wrong: str, named: str) -> None:
    assert true in CHINESE
    assert any(line.startswith(named) for line in differences(ENGLISH, CHINESE.replace(true, wrong)))
