"""Texts of one language with numbers in them."""

from collections.abc import Mapping
from string import Formatter
from typing import Literal

from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.reports.blocks import Code, Mark, Number, Part, Text
from moe_mamba_asv.reports.locale import Locale, count

#: How a finding's value is written: ``rate`` as percent, ``points`` as a difference of percents, ``number`` plainly.
MEASURES: Mapping[str, Literal["rate", "points", "number"]] = {
    "eer": "rate",
    "eer_either_way": "rate",
    "eer_part": "rate",
    "eer_rise": "points",
    "held_eer_rise": "points",
    "eer_range": "points",
    "largest_layer_share": "rate",
    "coverage": "rate",
    "expert_share": "rate",
    "evenness": "number",
    "within_class_correlation": "number",
    "share_lost": "points",
    "gradient_share_lost": "points",
    "score_change": "number",
    "skipped_share": "rate",
    "roll_backs": "number",
}
ABSENT: Text = ("–",)


class Words:
    """Fills a locale's texts.

    Args:
        locale: of the language.
    """

    def __init__(self, locale: Locale) -> None:
        self.locale = locale

    def say(self, key: str) -> str:
        """A text without placeholders."""
        return self.locale.text(key)

    def fill(self, key: str, **values: Part | Text) -> Text:
        """A text whose placeholders are filled; numbers stay numbers.

        Raises:
            KeyError: a text or a placeholder that is not there.
        """
        parts: list[Part] = []
        for words, name, _, _ in Formatter().parse(self.locale.text(key)):
            if words:
                parts.append(words)
            if name is not None:
                value = values[name]
                parts += [value] if isinstance(value, str | Number | Code | Mark) else value
        return tuple(parts)

    def rate(self, fraction: float) -> Text:
        """A fraction as percent."""
        return (Number(fraction, self.locale.percent(fraction)),)

    def points(self, difference: float, *, signed: bool = True) -> Text:
        """A difference of two fractions, in percentage points, with its sign unless it is a size."""
        value = _signed(100 * difference) if signed else f"{100 * difference:.2f}"
        return (Number(difference, self.say("numbers.points").format(value=value)),)

    def number(self, value: float) -> Text:
        """Three significant digits."""
        return (Number(value, f"{value:.3g}"),)

    def times(self, ratio: float) -> Text:
        """A ratio."""
        return (Number(ratio, self.say("numbers.times").format(value=f"{ratio:.2f}")),)

    def count(self, number: int) -> Text:
        """A whole number."""
        return (Number(number, count(number)),)

    def span(self, ends: tuple[float, float] | None, form: str) -> Text:
        """An interval, written as its measure is."""
        if ends is None:
            return ABSENT
        low, high = (self.written(end, form) for end in ends)
        if form == "points":  # the unit once
            low = (Number(ends[0], _signed(100 * ends[0])),)
        return self.fill("headline.range", low=low, high=high)

    def written(self, value: float, form: str) -> Text:
        """A value as its form asks: ``rate``, ``points`` or ``number``."""
        return {"rate": self.rate, "points": self.points, "number": self.number}[form](value)

    def evidence(self, system: str, finding: Finding) -> Text:
        """One finding as a sentence: who, where, what was measured, its interval, its limit, on how much."""
        form = MEASURES[finding.measure]
        ci: Text = ()
        if finding.ci is not None:
            ci = self.fill("finding.interval", range=self.span(finding.ci, form))
        return self.fill(
            "finding.sentence",
            where=self.place(system, finding.where),
            measure=self.say(f"measures.{finding.measure}"),
            value=self.written(finding.value, form),
            interval=ci,
            limit=self.limit(finding),
            n=self.count(finding.n),
            unit=self.say(f"units.{finding.unit}"),
        )

    def limit(self, finding: Finding) -> Text:
        """Beyond what a value is a fault."""
        form = MEASURES[finding.measure]
        # A limit is a size: no sign.
        limit = self.points(finding.limit, signed=False) if form == "points" else self.written(finding.limit, form)
        return self.fill(f"finding.{finding.beyond}", limit=limit)

    def place(self, system: str, where: str) -> str:
        """A system, and what of it."""
        return self.say("finding.place").format(system=system, where=where) if where else system

    def verdict(self, better: str | None) -> Text:
        """Whether a change is shown: ``better``, ``worse``, ``none`` or None without a bootstrap."""
        kinds = {"better": "good", "worse": "fault"}
        words = self.say(f"history.{better or 'unjudged'}")
        return (Mark(kinds[better], words),) if better in kinds else (words,)

    def key(self, name: str) -> Text:
        """A recipe's key or a command."""
        return (Code(name),)


def _signed(value: float) -> str:
    """Two decimals and a real minus sign; what rounds to zero has no sign."""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")
