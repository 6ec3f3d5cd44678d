"""What a request is told when it is refused as a whole."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from moe_mamba_asv.evaluation.base import Result

#: What a refused client still sends is read for so long, and so many bytes of it, and thrown away.
_LINGER_S, _LINGER_BYTES = 2.0, 16_000_000


class Problem(Result):
    """Why a request was refused.

    Attributes:
        code: for programs, e.g. ``too_large``.
        got: what was found.
        wanted: what would have been right.
        remedy: what to do about it.
    """

    code: str
    got: str
    wanted: str = ""
    remedy: str = ""


#: What any request may be told before anything else, for the description of a route.
ACCESS_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "No key, or a wrong one"},
    429: {"model": Problem, "description": "Too many requests; Retry-After says when to come back"},
}


class RequestError(Exception):
    """A request that is refused as a whole.

    Args:
        status: of HTTP.
        code: see `Problem`.
        got: see `Problem`.
        wanted: see `Problem`.
        remedy: see `Problem`.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        got: str,
        *,
        wanted: str = "",
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(got)
        self.status, self.headers = status, dict(headers or {})
        self.problem = Problem(code=code, got=got, wanted=wanted, remedy=remedy)

    def response(self) -> JSONResponse:
        """As an answer."""
        return JSONResponse(self.problem.model_dump(), self.status, self.headers)


async def refuse(error: RequestError, scope: Scope, receive: Receive, send: Send, *, body_is_read: bool) -> None:
    """Answer a request that is refused.

    Where its body is still coming the connection is closed, but not at once: a client whose connection breaks while it
    sends would never read why.

    Args:
        error: the refusal.
        scope: of the request.
        receive: of the request.
        send: of the request.
        body_is_read: nothing more will come.
    """
    response = error.response()
    if body_is_read or not _has_body(Headers(scope=scope)):
        await response(scope, receive, send)
        return
    response.headers["connection"] = "close"

    async def send_and_linger(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await _throw_away(receive)
        await send({"type": "http.response.body", "body": b""})

    await response(scope, receive, send_and_linger)


def _has_body(headers: Headers) -> bool:
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


async def _throw_away(receive: Receive) -> None:
    left = _LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body", False):
            return
