"""From the bytes of a report to what is judged: passages of prose and tables with rows, each with its line."""

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

#: Full-width signs of Chinese text that mean what their ASCII twins do; one for one, so that places stay.
_NARROW = str.maketrans(
    "０１２３４５６７８９％（）：＋－．～＜＞／＝［］\u00a0\u2009\u202f\u3000", "0123456789%():+-.~<>/=[]    "
)
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)(.+?)(?<!`)\1(?!`)")
_BARE_NUMBER = re.compile(r"[~<>≈]?\s?[+\-−]?[\d.,]+\s?%?")
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()]{0,500}\)")
_EMPHASIS = re.compile(r"(?<!\s)[*]+|[*]+(?!\s)|(?<!\w)_+|_+(?!\w)")
_MARKER = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)、]|#{1,6}|>)\s+")
_SEPARATOR = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*")
_PIPE = re.compile(r"(?<!\\)\|")
#: A longer line is data, not a sentence that a person wrote; it is left out.
MAX_LINE = 10_000
#: A line shorter than this was ended by its writer, not wrapped; wide characters count twice.
_WRAPPED_COLUMNS = 60
#: More wrapped lines than any paragraph has.
_MAX_WRAPPED = 50


@dataclass(frozen=True)
class Line:
    """One line: its number from 1, as it stands in the file, and without markup."""

    number: int
    raw: str
    text: str


@dataclass(frozen=True)
class Passage:
    """Lines of prose that belong together, as one text; ``starts`` are their offsets in it."""

    text: str
    lines: tuple[Line, ...]
    starts: tuple[int, ...]

    def line_at(self, offset: int) -> Line:
        """The line that holds a place of the text."""
        return self.lines[bisect_right(self.starts, offset) - 1]


@dataclass(frozen=True)
class Row:
    """One row of a table."""

    line: Line
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Rows of one table; ``header`` is empty where the text has none."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]


Block = Passage | Table


def passage_of(lines: Iterable[Line]) -> Passage:
    """Join wrapped lines; between two Chinese characters no space is put."""
    text, starts, kept = "", [], tuple(lines)
    for line in kept:
        if text and not (_is_wide(text[-1]) and line.text and _is_wide(line.text[0])):
            text += " "
        starts.append(len(text))
        text += line.text
    return Passage(text, kept, tuple(starts))


def table_of(rows: list[Row], *, has_header: bool) -> Table:
    """A table; without a marked header the first row is one if it holds no number."""
    if not has_header:
        has_header = len(rows) > 1 and not any(re.match(r"\W*\d", cell) for cell in rows[0].cells)
    return Table(rows[0].cells, tuple(rows[1:])) if has_header else Table((), tuple(rows))


def plain(text: str) -> str:
    """One line without markup: emphasis and links taken off, code left out unless it is a bare number."""
    text = text.translate(_NARROW)
    text = _CODE.sub(lambda code: code[2] if _BARE_NUMBER.fullmatch(code[2].strip()) else "□", text)
    text = _LINK.sub(r"\1", text)
    text = re.sub(r"\\([\\`*_\[\]<>|#~$%])", r"\1", text)
    return _EMPHASIS.sub("", text).strip()


def read_text(text: str) -> list[Block]:
    """Blocks of plain text or Markdown; tables are rows of pipes or of tabs."""
    blocks: list[Block] = []
    prose: list[Line] = []
    rows: list[tuple[Row, bool]] = []
    fenced = broken = False

    def close_prose() -> None:
        if prose:
            blocks.append(passage_of(prose))
            prose.clear()

    def close_table() -> None:
        kept = [row for row, separator in rows if not separator]
        if kept:
            blocks.append(table_of(kept, has_header=len(rows) > 2 and rows[1][1]))
        rows.clear()

    for number, raw in enumerate(text.splitlines(), start=1):
        raw = raw if len(raw) <= MAX_LINE else ""
        if raw.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        cells = None if fenced else _cells(raw)
        if cells is not None:
            close_prose()
            rows.append((Row(Line(number, raw.strip(), plain(raw)), cells), bool(_SEPARATOR.fullmatch(raw.strip()))))
            continue
        close_table()
        if fenced or not raw.strip() or _MARKER.match(raw) or broken or (prose and _is_ended(prose)):
            close_prose()
        if not fenced and raw.strip():
            marker = _MARKER.match(raw)
            prose.append(Line(number, raw.strip(), plain(raw[marker.end() if marker else 0 :])))
        broken = raw.endswith("  ")
    close_prose()
    close_table()
    return blocks


def _cells(raw: str) -> tuple[str, ...] | None:
    """Cells of a table's row, or None for prose."""
    stripped = raw.strip()
    if stripped.startswith("|") or len(_PIPE.findall(stripped)) > 1:
        return tuple(plain(cell) for cell in _PIPE.split(stripped.removeprefix("|").removesuffix("|")))
    if "\t" in stripped:
        return tuple(plain(cell) for cell in stripped.split("\t"))
    return None


def _is_ended(prose: list[Line]) -> bool:
    """Whether the last line was ended by its writer, so that the next begins something else."""
    columns = sum(2 if _is_wide(character) else 1 for character in prose[-1].raw)
    return columns < _WRAPPED_COLUMNS or len(prose) >= _MAX_WRAPPED


def _is_wide(character: str) -> bool:
    return "\u2e80" <= character <= "\uffef"
