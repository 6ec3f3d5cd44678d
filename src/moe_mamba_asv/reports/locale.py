"""One language of the report: its texts and the way it writes numbers."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

#: Languages that a report can be written in.
LANGUAGES = ("en", "zh")


class Locale:
    """Texts of one language, by dotted key; an unknown key is a programming error and raises KeyError.

    Args:
        texts: the content of a locale file.
    """

    def __init__(self, texts: dict[str, Any]) -> None:
        self._texts = texts

    def text(self, key: str) -> Any:
        """The raw text (or list of texts) under a dotted key, placeholders unfilled."""
        value: Any = self._texts
        for part in key.split("."):
            value = value[part]
        return value

    def term(self, words: str) -> str:
        """A catalogue's words in this language; words that no dictionary has stay as they are."""
        return self._texts["terms"].get(words, words)

    def percent(self, fraction: float, decimals: int = 2) -> str:
        """A fraction as percent, e.g. 0.010601 as ``1.06 %``."""
        return self.text("numbers.percent").format(value=f"{100 * fraction:.{decimals}f}")


def count(number: int) -> str:
    """A whole number with separators, e.g. ``71,237``."""
    return f"{number:,}"


def cost(value: float) -> str:
    """A detection cost with the four decimals that the field prints."""
    return f"{value:.4f}"


def score(value: float) -> str:
    """A score or threshold: four significant digits."""
    return f"{value:.4g}"


@cache
def load_locale(code: str) -> Locale:
    """Read the texts of one language.

    Args:
        code: one of `LANGUAGES`.
    """
    content = files("moe_mamba_asv.reports").joinpath("locales", f"{code}.yaml").read_text(encoding="utf-8")
    return Locale(yaml.safe_load(content))
