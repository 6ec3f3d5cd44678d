"""Claims in sentences: pairs of numbers, and what is said of them right before or after."""

from collections.abc import Iterator

from moe_mamba_asv.reports.consistency.judging import Verdict, judge_change, judge_difference, judge_mean, judge_ratio
from moe_mamba_asv.reports.consistency.numbers import Number, count_numbers, find_numbers
from moe_mamba_asv.reports.consistency.pairs import Pair, find_pair_around, find_pairs, in_units_of_next, list_before
from moe_mamba_asv.reports.consistency.reading import Passage
from moe_mamba_asv.reports.consistency.result import Claim, ClaimKind, Operand
from moe_mamba_asv.reports.consistency.verdicts import claim_of, operand_of
from moe_mamba_asv.reports.consistency.wording import (
    SENTENCE_END,
    claim_kind,
    direction,
    is_all_said,
    only_links,
    says_mean,
    says_rise,
    says_speed,
)

#: More numbers than a person puts in one sentence: a listing, in which nothing is judged.
_MAX_NUMBERS = 60


def claims_of_passage(passage: Passage) -> Iterator[Claim]:
    """Judge the sentences of a passage one by one."""
    start = 0
    for end in [*(match.end() for match in SENTENCE_END.finditer(passage.text)), len(passage.text)]:
        sentence = passage.text[start:end]
        if 2 < count_numbers(sentence) <= _MAX_NUMBERS:
            yield from _Sentence(passage, start, sentence).claims()
        start = end


class _Sentence:
    """One sentence, its quantities and its claims."""

    def __init__(self, passage: Passage, offset: int, text: str) -> None:
        self._passage, self._offset, self._text = passage, offset, text
        numbers = [number for number in find_numbers(text) if number.free]
        self._kinds: dict[Number, ClaimKind] = {
            number: kind for number in numbers if (kind := claim_kind(text, number)) is not None
        }
        self._plain = in_units_of_next([number for number in numbers if number not in self._kinds], text)

    def claims(self) -> Iterator[Claim]:
        pairs = find_pairs(self._plain, list(self._kinds), self._text)
        for stated, kind in self._kinds.items():
            judged = self._judge(stated, kind, pairs)
            if judged:
                pair, verdict = judged
                yield self._claim(stated, kind, (pair.first, pair.second), verdict)
        yield from self._means()

    def _judge(self, stated: Number, kind: ClaimKind, pairs: list[Pair]) -> tuple[Pair, Verdict] | None:
        """The pair that a claim is of, and the verdict; None where that cannot be told."""
        before = [pair for pair in pairs if self._follows(pair, stated, kind)]
        after = [pair for pair in pairs if self._precedes(stated, pair)]
        around = find_pair_around(stated, self._plain, self._text) if kind == "ratio" else None
        candidates = [*before, *after, *([around] if around else [])]
        verdicts = [(pair, verdict) for pair in candidates if (verdict := self._verdict(stated, kind, pair))]
        holding = [(pair, verdict) for pair, verdict in verdicts if verdict.holds]
        if holding:
            return holding[0]
        # Several pairs, none of which fits: whose claim it is cannot be told.
        unclear = before and (after or self._has_rival(before, pairs, stated) or not is_all_said(self._text, stated))
        return verdicts[0] if verdicts and not unclear else None

    def _has_rival(self, before: list[Pair], pairs: list[Pair], stated: Number) -> bool:
        """Whether the claim may as well be of an earlier pair; a bracket right after a pair is that pair's."""
        if "(" in self._text[before[-1].second.end : stated.start]:
            return False
        own_start = min(pair.first.start for pair in before)
        since = max((number.end for number in self._kinds if number.end <= stated.start), default=0)
        return any(since <= pair.first.start and pair.second.end <= own_start for pair in pairs)

    def _follows(self, pair: Pair, stated: Number, kind: ClaimKind) -> bool:
        """Whether a claim comes right after a pair, with nothing between but claims of another kind."""
        start = pair.second.end
        if start > stated.start or any(start <= number.start < stated.start for number in self._plain):
            return False
        others = [number for number in self._kinds if start <= number.start < stated.start]
        if any(self._kinds[number] == kind for number in others):
            return False
        gap = ""
        for number in [*others, stated]:
            gap += self._text[start : number.start]
            start = number.end
        return only_links(gap)

    def _precedes(self, stated: Number, pair: Pair) -> bool:
        start, end = stated.end, pair.first.start
        between = any(start <= number.start < end for number in [*self._plain, *self._kinds])
        return start <= end and not between and only_links(self._text[start:end])

    def _verdict(self, stated: Number, kind: ClaimKind, pair: Pair) -> Verdict | None:
        start = pair.second.end if pair.second.end <= stated.start else max(0, stated.start - 30)
        words = self._text[start : stated.start + 1] + self._text[stated.end : stated.end + 20]
        first, second = pair.first, pair.second
        match kind:
            case "ratio":
                return judge_ratio(stated, first, second, rise=says_rise(words))
            case "difference":
                return judge_difference(stated, first, second)
            case _:
                towards, speed = direction(words), says_speed(words)
                return judge_change(stated, first, second, ordered=pair.ordered, direction=towards, speed=speed)

    def _means(self) -> Iterator[Claim]:
        for stated in self._plain:
            listed = list_before(stated, self._plain, self._text)
            if len(listed) < 2 or not says_mean(self._text, listed[0].start, listed[-1].end, stated.start):
                continue
            values = [number.value for number in listed]
            # Outside of its numbers it is the mean of something else.
            if min(values) <= stated.value <= max(values):
                yield self._claim(stated, "mean", listed, judge_mean(stated, listed))

    def _claim(self, stated: Number, kind: ClaimKind, operands: tuple[Number, ...], verdict: Verdict) -> Claim:
        line = self._passage.line_at(self._offset + stated.start)
        return claim_of(line, kind, stated, tuple(self._operand(number) for number in operands), verdict)

    def _operand(self, number: Number) -> Operand:
        return operand_of(number, self._passage.line_at(self._offset + number.start).number)
