"""Each `mma` command on a page exists, with its options; nothing is run."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
import typer

from made_pages import CODE, FENCE, PAGES, READ_ELSEWHERE, name_of
from moe_mamba_asv.cli.main import app
from moe_mamba_asv.corpora.kinds import KINDS
from moe_mamba_asv.training.recipe import recipe_names

#: What stands for a thing of the reader's own.
PLACEHOLDER = re.compile(r"[A-Z_]+|…|\.\.\.|<.*>")


def commands(text: str) -> Iterator[str]:
    """Lines of code blocks, and spans of code, that begin with `mma` (or its longer name)."""
    begins = re.compile(r"^(?:\$ |\.venv/bin/)*(?:mma|moe-mamba-asv) ")
    blocks = "\n".join(match[0] for match in FENCE.finditer(text))
    lines = re.sub(r"\\\n\s*", " ", blocks).splitlines()
    spans = [" ".join(match[2].split()) for match in CODE.finditer(FENCE.sub("", text))]
    for line in [*lines, *spans]:
        if begins.match(line.strip()):
            yield begins.sub("", line.strip())


class Known(NamedTuple):
    """An option or argument of a command."""

    takes_value: bool
    values: tuple[str, ...]


def choices(annotation: Any) -> tuple[str, ...]:
    """The words that a type allows, or none if it allows any."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for inner in get_args(annotation) for word in choices(inner))


@cache
def command_tree() -> dict[tuple[str, ...], dict[str, Known]]:
    """By the words of each command, its options; a group has them too."""
    tree = {}

    def walk(words: tuple[str, ...], command: Any) -> None:
        options = {"--help": Known(False, ())}
        for parameter in command.params:
            known = Known(not getattr(parameter, "is_flag", False), choices(parameter.type_descriptor.annotation))
            options |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), known)
        tree[words] = options
        for name, inner in getattr(command, "commands", {}).items():
            walk((*words, name), inner)

    walk((), typer.main.get_command(app))
    return tree


def faults(line: str) -> list[str]:
    """What of a command line does not exist: command, option, choice, recipe or kind of corpus."""
    tokens = shlex.split(line.partition(" | ")[0], comments=True)
    tree, words = command_tree(), ()
    while tokens and (*words, tokens[0]) in tree:
        words = (*words, tokens.pop(0))
    has_subcommands = any(len(other) > len(words) and other[: len(words)] == words for other in tree)
    if not words or (has_subcommands and tokens and not _is_own(tokens[0])):
        return (
            [] if not words and tokens and (_is_own(tokens[0])) else [f"no command {' '.join((*words, *tokens[:1]))}"]
        )
    wrong = []
    for position, token in enumerate(tokens):
        option, _, value = token.partition("=")
        following = tokens[position + 1] if position + 1 < len(tokens) else ""
        if token.startswith("--"):
            wrong += _option_faults(tree[words], option, value or following)
    if words == ("train",) and tokens and not _is_own(tokens[0]) and tokens[0] not in recipe_names():
        wrong.append(f"no recipe {tokens[0]}")
    return wrong


def _is_own(token: str) -> bool:
    return token.startswith("-") or "." in token or bool(PLACEHOLDER.fullmatch(token))


def _option_faults(known: dict[str, Known], option: str, value: str) -> list[str]:
    if option not in known:
        return [f"no option {option}"]
    if not known[option].takes_value or not value or PLACEHOLDER.fullmatch(value):
        return []
    allowed = KINDS if option == "--corpus" else known[option].values
    # `average/logistic` in a table of options names both.
    return [f"{option} {part}" for part in value.split("/") if allowed and part not in allowed]


@pytest.mark.parametrize("page", PAGES + READ_ELSEWHERE, ids=name_of)
def test_every_command_exists(page: Path) -> None:
    wrong = {line: faults(line) for line in commands(page.read_text(encoding="utf-8"))}
    assert {line: found for line, found in wrong.items() if found} == {}


def test_planted_wrong_commands_are_found() -> None:
    text = """
```sh
mma train phase9 --corpus asvspoof2019-la --root LA --out runs/a   # no such recipe
mma score a.wav --model m \\
  --lang zh
mma corpus chek folder --root x
mma evaluate s.tsv --corpus asvspoof2018 --root LA
mma report r --corpus asvspoof2019-la --lang de
mma score RUN … --json
```
and `mma seve --model x`, but `mma bench` and `mma recipes show phase4 --set a=b`.
"""
    assert [faults(line) for line in commands(text)] == [
        ["no recipe phase9"],
        ["no option --lang"],
        ["no command corpus chek"],
        ["--corpus asvspoof2018"],
        ["--lang de"],
        [],
        ["no command seve"],
        [],
        [],
    ]


def test_pages_have_commands_at_all() -> None:
    assert sum(len(list(commands(page.read_text(encoding="utf-8")))) for page in PAGES) > 100
