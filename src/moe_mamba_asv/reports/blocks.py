"""What a section of a report is made of, before it becomes HTML or Markdown.

A text is a sequence of parts: words, numbers that carry all their digits, and code. Both renderers lay out the same
blocks, so that neither can say what the other does not.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple


class Number(NamedTuple):
    """A number of the report's model: as it is, and as it is shown."""

    value: float
    shown: str


class Code(NamedTuple):
    """Something to be typed, or a key of a recipe."""

    code: str


class Mark(NamedTuple):
    """A word that stands out: ``fault``, ``good``, ``known`` or ``unknown``."""

    kind: str
    words: str


Part = str | Number | Code | Mark
Text = tuple[Part, ...]


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: Text
    block: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``soft`` is an aside."""

    text: Text
    soft: bool = False
    block: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Text, ...]
    block: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Table:
    """A table; ``numeric`` tells which columns are set to the right. ``folded`` hides it behind its title."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]
    numeric: tuple[bool, ...]
    folded: str = ""
    block: Literal["table"] = "table"


@dataclass(frozen=True)
class Picture:
    """A figure by its name in `draw_figures`, with what it shows."""

    name: str
    alt: str
    caption: Text
    block: Literal["picture"] = "picture"


Block = Heading | Paragraph | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """A section: id in the page, title, blocks."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def table(columns: tuple[str, ...], rows: list[tuple[Text, ...]], *, folded: str = "") -> Table:
    """A table whose columns are set to the right where every cell is a number or absent, and one is a number."""
    numeric = tuple(
        any(_is_number(row[place]) for row in rows)
        and all(_is_number(row[place]) or row[place] == ("–",) for row in rows)
        for place in range(len(columns))
    )
    return Table(columns, tuple(rows), numeric, folded)


def _is_number(text: Text) -> bool:
    return any(isinstance(part, Number) for part in text)
