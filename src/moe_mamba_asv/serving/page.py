"""The page that people use: a few static files, all of them read when the service starts."""

import hashlib
from importlib.resources import files
from typing import NamedTuple

from fastapi import FastAPI, Request, Response

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
}
_INDEX = "index.html"
_NAMES = (
    _INDEX,
    "page.css",
    "icon.svg",
    "texts.json",
    "page.js",
    "slot.js",
    "answer.js",
    "service.js",
    "language.js",
    "record.js",
    "timeline.js",
    "wave.js",
    "spectrum.js",
    "report.js",
)
#: Where the page lies. It holds nothing of anybody, so it is for everyone: it is what asks for the key.
PAGE_PATHS = frozenset({"/", *(f"/page/{name}" for name in _NAMES if name != _INDEX)})


class _File(NamedTuple):
    content: bytes
    kind: str
    tag: str


def add_page(app: FastAPI) -> None:
    """Serve the page at ``/`` and what it consists of under ``/page/``: these files by their names, and nothing else.

    Args:
        app: that also answers ``/v1/models`` and ``/v1/score``, which the page asks.
    """
    for name in _NAMES:
        path = "/" if name == _INDEX else f"/page/{name}"
        app.add_api_route(path, _sender(_read(name)), methods=["GET", "HEAD"], include_in_schema=False)


def _read(name: str) -> _File:
    content = files("moe_mamba_asv.serving").joinpath("page", name).read_bytes()
    return _File(content, _TYPES[name.rpartition(".")[2]], f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def _sender(file: _File):
    # A browser asks each time, and is told in a few bytes that nothing has changed: a newer service has a newer page.
    headers = {"Cache-Control": "no-cache", "ETag": file.tag}

    async def send(request: Request) -> Response:
        if file.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.kind, headers=headers)

    return send
