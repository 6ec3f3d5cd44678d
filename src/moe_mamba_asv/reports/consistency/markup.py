"""An HTML report as passages and tables: tags taken off, rows kept as rows."""

from html.parser import HTMLParser

from moe_mamba_asv.reports.consistency.reading import MAX_LINE, Block, Line, Row, passage_of, plain, table_of

_UNSEEN = {"script", "style", "head", "svg", "template", "title", "noscript", "code", "pre"}
_INLINE = {
    "a",
    "abbr",
    "b",
    "bdi",
    "cite",
    "data",
    "em",
    "i",
    "mark",
    "q",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
}
_INLINE |= {"time", "u", "var", "wbr"}


def read_html(text: str) -> list[Block]:
    """Blocks of an HTML page, in its order; ``code`` and what a browser does not show are left out."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.end_passage()
    return reader.blocks


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[Block] = []
        self._unseen = 0
        self._words: list[str] = []
        self._begun = False
        self._line = 1
        self._rows: list[Row] | None = None
        self._cells: list[str] | None = None
        self._in_cell = False
        self._row_line = 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs  # the tag says all that is needed
        if tag == "body":
            self._unseen = 0  # the end tag of the head may be left out
        elif tag in _UNSEEN:
            self._unseen += 1
        elif tag not in _INLINE:
            self._boundary(tag, opens=True)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag not in _INLINE:
            self._boundary(tag, opens=False)

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        if data.strip() and not self._begun:
            self._begun = True
            self._line = self.getpos()[0] + data[: len(data) - len(data.lstrip())].count("\n")
        self._words.append(data)

    def end_passage(self) -> None:
        """Close the prose that is open."""
        words = self._take_words()
        if words and len(words) <= MAX_LINE:
            self.blocks.append(passage_of([Line(self._line, words, plain(words))]))

    def _boundary(self, tag: str, *, opens: bool) -> None:
        if tag == "table":
            if self._rows is not None:
                self._end_row()
            self._table(opens=opens)
        elif tag in ("td", "th") and self._cells is not None:
            self._end_cell()
            self._in_cell = opens
        elif tag in ("tr", "tbody", "thead", "tfoot") and self._rows is not None:
            self._end_row()
            if tag == "tr" and opens:
                self._cells, self._row_line = [], self.getpos()[0]
        elif self._in_cell:
            self._words.append(" ")
        else:
            self.end_passage()

    def _table(self, *, opens: bool) -> None:
        self.end_passage()
        if not opens and self._rows:
            self.blocks.append(table_of(self._rows, has_header=False))
        self._rows = [] if opens else None

    def _end_cell(self) -> None:
        words = self._take_words()
        if self._in_cell and self._cells is not None:
            self._cells.append(words)
        self._in_cell = False

    def _end_row(self) -> None:
        """HTML lets the end tags of cells and rows be left out."""
        self._end_cell()
        cells, self._cells = self._cells, None
        if cells and self._rows is not None:
            raw = " | ".join(cells)
            self._rows.append(Row(Line(self._row_line, raw, plain(raw)), tuple(plain(cell) for cell in cells)))

    def _take_words(self) -> str:
        words = " ".join("".join(self._words).split())
        self._words.clear()
        self._begun = False
        return words
