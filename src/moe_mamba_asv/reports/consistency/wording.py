"""The words beside a number that make it a claim, in Chinese and English, and those that may stand in between."""

import re

from moe_mamba_asv.reports.consistency.judging import Direction
from moe_mamba_asv.reports.consistency.numbers import Number
from moe_mamba_asv.reports.consistency.result import ClaimKind

_HEDGE = (
    r"(?:了|约|达|为|近|将近|大约|超过|不到|about|around|roughly|approximately|nearly|almost|over|more than|under|"
    r"less than|at least|~|≈|[<>≤≥]|a|:|,|\s)*$"
)
_CHANGED_ZH = (
    r"(?:(?:提升|改善|改进|下降|降低|减少|增加|增长|提高|上升|升高|恶化|退化|优化|缩小|节省|节约|加快)(?:幅度)?|降幅|增幅|涨幅|"
    r"高出|低了|高了|快了|慢了|少了|多了|升了|降了|(?<=[%)\d]\s)[高低快慢]|(?<=[%)\d])[高低快慢])"
)
_VERB = (
    r"(?:improv\w+|reduc\w+|decreas\w+|increas\w+|drop(?:s|ped)?|falls?|fell|rises?|rose|grows?|grew|gain(?:s|ed)?|"
    r"lower(?:s|ed)?|sav(?:es|ed|ing)|cuts?|shrinks?|shrank|changed?|degrad\w+|worsen\w*|declin\w+)"
)
_CHANGE_BEFORE = re.compile(
    rf"(?:{_CHANGED_ZH}|\b{_VERB}\b(?:\s+[\w\-']+){{0,4}}?\s+by|\b(?:improvement|reduction|decrease|increase|drop|gain)"
    rf"\s+(?:of|is|was)|[(,]\s*(?:relative|rel\.|相对)|\b(?:improved|reduced|decreased|increased)){_HEDGE}",
    re.IGNORECASE,
)
_CHANGE_AFTER = re.compile(
    r"\s*(?:relative(?:ly)?\s+)?(?:EER\s+)?(?:reduction|improvement|decrease|increase|drop|gain|lower|higher|less|more|"
    r"fewer|better|worse|faster|slower|smaller|larger|的?(?:相对)?(?:提升|改善|下降|降幅|增幅))(?!\s+or)\b",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[。！？；]|(?<!\bvs)(?<!\bi\.e)(?<!\be\.g)(?<!\bca)(?<!\brel)(?<!\bFig)[.!?;](?=\s|$)")
#: "(+0.3% on dev)" is a number of its own.
_SIGNED_END = re.compile(r"\s*(?:[),，;]|$|rel|相对|abs|绝对)", re.IGNORECASE)
#: What may follow a claim that is all said: "3 times fewer parameters" and "3 times more than B" go on.
_END = re.compile(
    r"\s*(?:(?:as\s+\w+|more|less|fewer|higher|lower|larger|smaller|greater|better|worse|faster|slower|longer|shorter|"
    r"relative(?:ly)?|apart|difference|多|左右|以上)\s*)?"
    r"(?:(?:relative\s+)?(?:reduction|improvement|decrease|increase|drop|gain|speed-?up)|的?(?:提升|改善|下降|差距|降幅))?"
    r"\s*(?:[,，.。;；:)、!?！？*—–-]|$|and\b)",
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"absolute|绝对", re.IGNORECASE)
#: "ran 3 times" counts runs, it compares nothing.
_COUNTED = re.compile(
    r"\b(?:ran|run|runs|repeat\w*|train\w*|tried|measured|sampled|drawn|called|seen|used|heard)\s+(?:\w+\s+)?$",
    re.IGNORECASE,
)
_IS_BEFORE = re.compile(r"(?:\b(?:is|are|was|were|takes?|took)|=)\s*(?:about|around|roughly|nearly|almost|~|≈)?\s*$")
_TIMES_AFTER = re.compile(
    r"\s*(?:$|[,.;:)。，；、!*]|as\b|more|higher|lower|faster|slower|larger|smaller|better|worse|greater|less|fewer|the\b|"
    r"that\b|its\b|over\b|longer|shorter|improvement|reduction|increase|decrease|speed)",
    re.IGNORECASE,
)

_DOWN = re.compile(
    r"下降|降低|减少|降幅|缩小|低了|少了|降了|reduc|decreas|drop|fell|\bfalls?\b|lower|less|fewer|smaller|declin|shr[ai]nk|↓"
)
_UP = re.compile(
    r"增加|增长|上升|升高|增幅|涨幅|高出|(?<!提)高了|多了|(?<!提)升了|increas|\brose\b|\brises?\b|\bgr[eo]w|higher|more|larger|greater|↑"
)
_RISE = re.compile(
    r"增加|增长|提升|提高|上升|升高|高出|高|多|快|大|退化|恶化|more|higher|larger|greater|faster|increas|improve|grew|rose"
)
_SPEED = re.compile(r"fast|speed|throughput|quick|快|提速|吞吐|速度")

#: All that may stand between a pair and its claim if it speaks of nothing else.
_BETWEEN = re.compile(
    r"[\s,，、:()\-–—=*'\"“”‘’。□]+|\b(?:a|an|the|is|are|was|were|which|that|it|i\.?e|or|about|around|roughly|nearly|almost|"
    r"approximately|over|more|less|than|under|by|of|in|from|at|least|relative|relatively|absolute|absolutely|gap|difference|"
    r"differ|apart|ratio|factor|improvement|reduction|decrease|increase|drop|gain|change|"
    r"improv(?:es|ed|ing)|reduc(?:es|ed|ing)|decreas(?:es|ed|ing)|increas(?:es|ed|ing)|dropped|fell|rose|grew|declined|"
    r"degraded|worsened|lower|higher|still|only|thus|so|hence|i|e|point|points|rel)\b|"
    r"差距|差值|相差|差了|高出|高了|低了|快了|慢了|提升|提高|改善|改进|优化|退化|恶化|下降|降低|减少|增加|增长|上升|升高|缩小|"
    r"降幅|增幅|幅度|相对|绝对|相当于|约|达到|达|为|是|即|了|近|超过|不到|仅|只|也|就|共|从|由|的|之|高|低|快|慢|差|倍数|↓|↑|[~≈<>≤≥+\-−]",
    re.IGNORECASE,
)
_MEAN_AFTER_LIST = re.compile(
    r"[\s,，;:()\-–—]*(?:的|with an?|the|an?|their)?\s*(?:average|mean|平均值?|均值)"
    r"(?:\s|EER|of|is|was|=|为|是|:|约|值)*[~≈]?\s*",
    re.IGNORECASE,
)
_MEAN_OF = re.compile(r"(?:average|mean) of\s*(?:the\s*)?[^\d,;]{0,20}$", re.IGNORECASE)
_MEAN_IS = re.compile(r"\s*\)?\s*(?:is|was|=|:)\s*(?:about|~|≈)?\s*", re.IGNORECASE)
#: Characters on both sides of a number whose words make it a claim.
_BESIDE = 80
_OPENED = re.compile(r"[^,，;；:()\d→]{0,30}\((?P<inside>[^()]*)")


def claim_kind(sentence: str, number: Number) -> ClaimKind | None:
    """What a number claims by its unit and the words around it, or None for a plain quantity."""
    before = sentence[max(0, number.start - _BESIDE) : number.start]
    after = sentence[number.end : number.end + _BESIDE]
    match number.unit:
        case "times":
            counted = _COUNTED.search(before) or not (_TIMES_AFTER.match(after) or _IS_BEFORE.search(before))
            return None if counted and sentence[number.start : number.end].endswith("times") else "ratio"
        case "points":
            return "difference"
        case "%":
            pass
        case _:
            return None
    signed = sentence[number.start] in "+-−↓↑" and re.search(r"[(,，]\s*$", before) and _SIGNED_END.match(after)
    if not (signed or _CHANGE_BEFORE.search(before) or _CHANGE_AFTER.match(after)):
        return None
    return "difference" if _ABSOLUTE.search(before[-12:] + after[:12]) else "relative_change"


def only_links(gap: str) -> bool:
    """Whether the text between a pair and a claim speaks of nothing else, or opens a bracket right before it."""
    gap = gap.strip()
    if not _BETWEEN.sub("", gap):
        return True
    opened = _OPENED.fullmatch(gap.lstrip(")"))
    return opened is not None and not _BETWEEN.sub("", opened["inside"])


def says_mean(sentence: str, start: int, end: int, stated: int) -> bool:
    """Whether the words call a number the mean of the list before it.

    Args:
        sentence: all of it.
        start: where the list begins.
        end: where it ends.
        stated: where the number begins.
    """
    if _MEAN_AFTER_LIST.fullmatch(sentence, end, stated):
        return True
    return bool(
        _MEAN_IS.fullmatch(sentence, end, stated) and _MEAN_OF.search(sentence[max(0, start - _BESIDE) : start])
    )


def is_all_said(sentence: str, number: Number) -> bool:
    """Whether a claim ends behind its number, so that no other operand or subject can follow."""
    return bool(_END.match(sentence[number.end : number.end + _BESIDE]))


def direction(words: str) -> Direction:
    """Where the words say that it went; empty where they do not or say both."""
    down, up = bool(_DOWN.search(words)), bool(_UP.search(words))
    return "" if down == up else "down" if down else "up"


def says_rise(words: str) -> bool:
    """Whether "N times" may mean "by N times" here: higher, more, 增加."""
    return bool(_RISE.search(words))


def says_speed(words: str) -> bool:
    """Whether a speed is compared, whose percent may be of the later duration."""
    return bool(_SPEED.search(words))
