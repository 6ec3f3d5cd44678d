"""How much a request may send, and how long it may take for it; counted while it is read."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moe_mamba_asv.serving.problems import RequestError, refuse
from moe_mamba_asv.serving.settings import MB


@dataclass
class Held:
    """Bytes of all bodies of a kind that are being read or answered, and of recordings whose jobs are not done."""

    num_bytes: int = 0


@dataclass(frozen=True)
class BodyLimit:
    """Of bodies of one kind.

    Attributes:
        max_mb: size of one.
        timeout_s: until all of it is there.
        max_held_mb: of all of them together.
        held: where their bytes are counted.
    """

    max_mb: float
    timeout_s: float
    max_held_mb: float
    held: Held


class BodyLimits:
    """Middleware: bodies that are too large (413), too slow (408), or too much together (503).

    Args:
        app: what is behind it.
        usual: limits of a body.
        by_path: other limits, where the path is one of these.
    """

    def __init__(self, app: ASGIApp, *, usual: BodyLimit, by_path: Mapping[str, BodyLimit]) -> None:
        self._app, self._usual, self._by_path = app, usual, by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._by_path.get(scope["path"], self._usual)
        body = _Body(receive, limit)
        try:
            body.require_promise(Headers(scope=scope))
            await self._app(scope, body.receive, send)
        except RequestError as refusal:
            await refuse(refusal, scope, receive, send, body_is_read=body.is_whole)
        finally:
            limit.held.num_bytes -= body.num_bytes


class _Body:
    """One body on its way in."""

    def __init__(self, receive: Receive, limit: BodyLimit) -> None:
        self._receive, self._limit = receive, limit
        self._deadline = time.monotonic() + limit.timeout_s
        self.is_whole = False
        self.num_bytes = 0

    def require_promise(self, headers: Headers) -> None:
        """Refuse by what the client says it will send, before it does."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limit.max_mb * MB:
            raise self._too_large()

    async def receive(self) -> Message:
        if self.is_whole:
            # What follows is only ever that the client has gone.
            return await self._receive()
        message = await self._receive_in_time()
        if message["type"] == "http.request":
            self.is_whole = not message.get("more_body", False)
            self._take(len(message.get("body", b"")))
        return message

    def _take(self, num_bytes: int) -> None:
        """Count bytes that have come."""
        self.num_bytes += num_bytes
        self._limit.held.num_bytes += num_bytes
        if self.num_bytes > self._limit.max_mb * MB:
            raise self._too_large()
        if self._limit.held.num_bytes > self._limit.max_held_mb * MB:
            raise RequestError(503, "busy", "too much is being read", remedy="try again", headers={"Retry-After": "5"})

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                return await self._receive()
        except TimeoutError as error:
            raise RequestError(
                408,
                "too_slow",
                f"a body that is not there after {self._limit.timeout_s:g} s",
                wanted="all of it by then",
                remedy="a smaller file or a faster connection",
            ) from error

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            "too_large",
            f"a body of more than {self._limit.max_mb:g} MB",
            wanted=f"{self._limit.max_mb:g} MB or less in a request",
            remedy="fewer files, or a compressed form such as FLAC or Opus",
        )
