"""Shards by the dozen: ``shards/{0000..0009}.tar`` is ten names, as in WebDataset and in a shell."""

import re
from collections.abc import Iterator

_NUMBERS = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_LETTERS = re.compile(r"([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d+))?")


def expand_braces(text: str) -> Iterator[str]:
    """Every name that a text with braces stands for, in order and one at a time; the text itself where it has none.

    ``{a,b}`` is a list; a list may hold braces. ``{0000..0009}`` is a range with both ends in it, downwards where the
    first is the larger, in steps where a third number follows, and with zeros to the width of the wider end where
    either has them; ``{a..c}`` is one of letters. Several braces give every combination, the last changing fastest.
    Braces that hold neither, or have no partner, stay as they are.

    Args:
        text: of a path or address.
    """
    pair = _first_pair(text)
    if pair is None:
        yield text
        return
    start, end = pair
    for choice in _choices(text[start + 1 : end]):
        for rest in expand_braces(text[end + 1 :]):
            yield f"{text[:start]}{choice}{rest}"


def _first_pair(text: str) -> tuple[int, int] | None:
    """Where the first brace that has a partner stands, and where its partner does."""
    for start in (place for place, letter in enumerate(text) if letter == "{"):
        depth = 0
        for end in range(start, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                return start, end
    return None


def _choices(inside: str) -> Iterator[str]:
    parts = _split(inside)
    if len(parts) > 1:
        for part in parts:
            yield from expand_braces(part)
    elif numbers := _NUMBERS.fullmatch(inside):
        ends = numbers[1], numbers[2]
        padded = any(re.match(r"-?0\d", end) for end in ends)
        width = max(map(len, ends)) if padded else 0
        yield from (f"{number:0{width}d}" for number in _range(int(ends[0]), int(ends[1]), numbers[3]))
    elif letters := _LETTERS.fullmatch(inside):
        yield from map(chr, _range(ord(letters[1]), ord(letters[2]), letters[3]))
    else:
        yield from (f"{{{name}}}" for name in expand_braces(inside))


def _split(inside: str) -> list[str]:
    """Parts between the commas that stand in no further braces."""
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _range(first: int, last: int, step: str | None) -> range:
    size = abs(int(step or 1)) or 1
    return range(first, last + 1, size) if first <= last else range(first, last - 1, -size)
