"""Check a written report: recompute what it states beside the operands, and look up what it says of attacks."""

import codecs
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.reports.consistency.labels import labels_of_passage, labels_of_row, speaks_of_2019
from moe_mamba_asv.reports.consistency.markup import read_html
from moe_mamba_asv.reports.consistency.prose import claims_of_passage
from moe_mamba_asv.reports.consistency.reading import Block, Passage, read_text
from moe_mamba_asv.reports.consistency.result import Claim, ConsistencyCheck
from moe_mamba_asv.reports.consistency.tables import claims_of_table

#: A report of words is far smaller; what is larger is a page with pictures inside, or no report.
MAX_BYTES = 5_000_000


def check_report(path: Path) -> ConsistencyCheck:
    """Judge every ratio, percent change, difference, mean and attack label whose operands can be told.

    A claim is wrong only if no numbers within the rounding of the printed operands give one within the rounding of
    the claim. A claim whose operands are not beside it, or could be several, is left out.

    Args:
        path: plain text, Markdown or HTML, in Chinese or English; UTF-8, UTF-16 with a mark, or GB 18030.

    Raises:
        ConfigError: the file is absent, empty, larger than `MAX_BYTES`, or no text.
    """
    content = _read(path)
    text = _decode(content, path)
    is_html = path.suffix.lower() in (".html", ".htm") or text.lstrip()[:9].lower() in ("<!doctype", "<html")
    claims = _claims(read_html(text) if is_html else read_text(text), labelled=speaks_of_2019(text))
    ordered = sorted(claims, key=lambda claim: claim.line)
    return ConsistencyCheck(
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        judged=dict(Counter(claim.kind for claim in ordered)),
        claims=tuple(ordered),
    )


def _claims(blocks: list[Block], *, labelled: bool) -> Iterator[Claim]:
    for block in blocks:
        if isinstance(block, Passage):
            yield from claims_of_passage(block)
            if labelled:
                yield from labels_of_passage(block)
            continue
        yield from claims_of_table(block)
        for row in block.rows:
            for cell in row.cells:
                yield from claims_of_passage(Passage(cell, (row.line,), (0,)))
            if labelled:
                yield from labels_of_row(row)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file", wanted="a report as text, Markdown or HTML")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ConfigError(
            f"{path}: {size:,} bytes", wanted=f"at most {MAX_BYTES:,}", remedy="the report's text without its pictures"
        )
    content = path.read_bytes()
    if not content.strip():
        raise ConfigError(f"{path}: empty", wanted="a report as text, Markdown or HTML")
    return content


def _decode(content: bytes, path: Path) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not any(character < " " and character not in "\t\n\r\f\v\x1b" for character in text):
            return text
    raise ConfigError(
        f"{path}: not text", wanted="plain text, Markdown or HTML", remedy="export a PDF or Word file as text first"
    )
