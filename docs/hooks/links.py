"""A hook of the site: what a page links to outside docs/ is on no page, so its name stays and the link goes."""

import re

# [`windows.py`](../src/moe_mamba_asv/audio/windows.py), but no picture.
_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\((?:\.\./)+([^)#\s]+)[^)]*\)")


def on_page_markdown(markdown: str, *, page: object, **_: object) -> str:
    """Take links to files of the repository out of a page; links between pages stay."""
    depth = page.file.src_uri.count("/")  # type: ignore[attr-defined]
    return _OUTSIDE.sub(lambda match: _text(match, depth), markdown)


def _text(match: re.Match[str], depth: int) -> str:
    climbs = match[0].count("../")
    return match[0] if climbs <= depth else match[1]
