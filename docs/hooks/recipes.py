"""A hook of the site: the table of recipes, read from the recipes when the site is built.

In recipes.md (and its translations) a line `<!-- recipes -->` becomes the table. Models are not built for it, which
takes a while: sizes are those that two pages state as measured.
"""

import re
from pathlib import Path
from typing import Any

from moe_mamba_asv.training.recipe import load_recipe, recipe_names

MARKER = "<!-- recipes -->"
_HEADINGS = {
    "en": ("recipe", "what it is", "loss", "clips a step", "epochs", "learning rate", "of SSL layers", "parameters"),
    "zh": ("配方", "说明", "损失", "每步片段数", "轮数", "学习率", "SSL 层的学习率", "参数量"),
}
# | `phase2` | 316,191,826 | 739,858 | …
_MEASURED = re.compile(r"^\| `([\w-]+)` \| ([\d,]+) \|", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: object) -> str:
    """Put the table in the place of the marker."""
    if MARKER not in markdown:
        return markdown
    locale = "zh" if page.file.src_uri.endswith(".zh.md") else "en"
    return markdown.replace(MARKER, recipes_table(stated_sizes(Path(config.docs_dir)), locale))


def stated_sizes(docs: Path) -> dict[str, str]:
    """Parameters by recipe, as the pages print them.

    Raises:
        ValueError: two pages state different sizes.
    """
    sizes: dict[str, str] = {}
    for page in ("models.md", "train-each-phase.md"):
        for name, size in _MEASURED.findall((docs / page).read_text(encoding="utf-8")):
            if sizes.setdefault(name, size) != size:
                raise ValueError(f"{page}: {name} has {size} parameters, elsewhere {sizes[name]}")
    return sizes


def recipes_table(sizes: dict[str, str], locale: str = "en") -> str:
    """The recipes as a Markdown table.

    Args:
        sizes: parameters of those recipes whose size is known, as printed.
        locale: of the headings, `en` or `zh`.
    """
    headings = _HEADINGS[locale]
    rows = [headings, ("---",) * len(headings), *(_row(name, sizes.get(name, "")) for name in recipe_names())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(name: str, size: str) -> tuple[str, ...]:
    recipe = load_recipe(name)
    training = recipe.training
    return (
        f"`{name}`",
        recipe.description,
        training.objective.loss.kind,
        str(training.batch_size),
        str(training.epochs),
        f"{training.learning_rate:g}",
        "" if training.ssl_learning_rate is None else f"{training.ssl_learning_rate:g}",
        size,
    )
