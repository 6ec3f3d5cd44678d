"""Attacks that a report calls known or unknown, against the published catalogue of ASVspoof 2019 LA."""

import re
from collections.abc import Iterator

from moe_mamba_asv.corpora.catalogue import ATTACKS_2019_LA
from moe_mamba_asv.reports.consistency.reading import Line, Passage, Row
from moe_mamba_asv.reports.consistency.result import Claim, Operand

_ID = r"(?<![A-Za-z0-9])A(?:0[1-9]|1[0-9])(?![0-9A-Za-z])"
_SPAN = rf"{_ID}(?:\s*(?:-|–|—|~|to|through|至|到)\s*{_ID})?"
_IDS = rf"(?P<ids>{_SPAN}(?:\s*(?:,\s*and|,|，|、|/|and|和|与|及|&)\s*{_SPAN}){{0,18}})"
_KNOWN = r"(?P<label>known|seen|unknown|unseen|已知|未知|未见过|未见)"
_THEM = r"(?:\s*的?\s*(?:spoof(?:ing)?\s+)?(?:attacks?|攻击(?:类型)?))"
_TRAINING = r"(?P<label>训练集|训练数据|训练分区|training (?:set|data|partition|attacks))"
_HOLDS = (
    r"(?:\s*(?:只|仅)?(?:包含|包括|含有|含)\s*|\s*[(:]\s*|"
    r"\s+(?:only\s+)?(?:contains?|holds|has|includes)(?:\s+only)?\s+)"
)

_STATEMENTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # "Known Attacks (A07-A16)", "已知攻击: A16 和 A19"
        rf"(?<![A-Za-z]){_KNOWN}(?:{_THEM}\s*[(:]?\s*|\s*\(\s*){_IDS}",
        # "A07-A16 (Known Attacks)", "A19 (Unknown VC)"
        rf"{_IDS}\s*\(\s*{_KNOWN}(?:{_THEM}|\s+(?:VC|TTS))?\s*[,)]",
        # "A17-A19是评估集独有的未知攻击类型", "A17 and A18 are unknown."
        rf"{_IDS}\s*(?:均|都)?(?:是|为|属于|\bare\b|\bis\b)(?P<between>[^,，。;；:(]{{0,14}}?){_KNOWN}(?:{_THEM}|(?=\s*(?:[.,;)。，；]|$)))",
        # "训练集(A01-A06)", "the training set contains A01 to A06"
        rf"{_TRAINING}{_HOLDS}{_IDS}",
    )
)
#: "both known and unknown attacks (…)", "not known …", a quotation: the label is not, or not alone, the writer's.
_OTHERWISE_BEFORE = re.compile(
    r"(?:\b(?:known|seen)|已知)\s*(?:and|or|/|和|与|及|、|&)\s*$|(?:\b(?:not|non|no|neither|nor|called|calls)|非|不是|不|无|没有?|误称)[\s-]*$"
    r"|[\"“「『]$",
    re.IGNORECASE,
)
_NOT = re.compile(r"\bnot\b|不|非|nor\b|never", re.IGNORECASE)
_EXCEPT = re.compile(
    r"[^.。;；]{0,12}(?:except|but not|without|excluding|other than|除外|除了|以外|之外|不含)", re.IGNORECASE
)
_CELL = re.compile(rf"\s*{_KNOWN}{_THEM}?\s*", re.IGNORECASE)
_LEADING_IDS = re.compile(rf"\W*{_IDS}", re.IGNORECASE)


def speaks_of_2019(text: str) -> bool:
    """Whether attack ids in a report can only mean ASVspoof 2019 LA: ASVspoof 5 numbers others likewise."""
    return bool(re.search(r"ASVspoof[\s_-]?2019|2019[\s_-]?LA", text, re.IGNORECASE)) and not re.search(
        r"ASVspoof[\s_-]?5", text, re.IGNORECASE
    )


def labels_of_passage(passage: Passage) -> Iterator[Claim]:
    """Labels that stand right beside ids in prose."""
    for statement in _STATEMENTS:
        for match in statement.finditer(passage.text):
            before, after = passage.text[: match.start()], passage.text[match.end() :]
            between = match.groupdict().get("between") or ""
            if _OTHERWISE_BEFORE.search(before) or _NOT.search(between) or _EXCEPT.match(after):
                continue
            yield _claim(passage.line_at(match.start()), match[0], match["label"], match["ids"])


def labels_of_row(row: Row) -> Iterator[Claim]:
    """Labels in a row: within a cell, or a cell of its own beside the cell that begins with ids."""
    for cell in row.cells:
        yield from labels_of_passage(Passage(cell, (row.line,), (0,)))
    labels = [match for cell in row.cells if (match := _CELL.fullmatch(cell))]
    named = [match for cell in row.cells if (match := _LEADING_IDS.match(cell))]
    if len(labels) == len(named) == 1:
        yield _claim(row.line, f"{named[0]['ids']}: {labels[0][0].strip()}", labels[0]["label"], named[0]["ids"])


def _claim(line: Line, stated: str, label: str, ids: str) -> Claim:
    known = label.lower() not in ("unknown", "unseen", "未知", "未见过", "未见")
    attacks = _expand(ids)
    against = tuple(attack for attack in attacks if ATTACKS_2019_LA[attack].known != known)
    return Claim(
        line=line.number,
        text=line.raw,
        kind="label",
        stated=stated + ")" * (stated.count("(") - stated.count(")")),
        value=None,
        operands=tuple(Operand(text=attack, line=line.number) for attack in attacks),
        holds=not against,
        remark="catalogue" if against else "",
        against=against,
    )


def _expand(ids: str) -> tuple[str, ...]:
    """All ids of "A07-A09, A16"."""
    names = list(ATTACKS_2019_LA)
    found: list[str] = []
    for span in re.finditer(_SPAN, ids, re.IGNORECASE):
        ends = [attack.upper() for attack in re.findall(_ID, span[0], re.IGNORECASE)]
        found += names[names.index(ends[0]) : names.index(ends[-1]) + 1]
    return tuple(found)
