"""How much a request may send, and how long it may take for it; counted while it is read."""

import asyncio
import time
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moe_mamba_asv.serving.problems import RequestError, refuse
from moe_mamba_asv.serving.settings import MB


@dataclass
class Held:
    """Bytes of all bodies that are being read or answered."""

    num_bytes: int = 0


class BodyLimits:
    """Middleware: bodies that are too large (413), too slow (408), or too much together (503).

    Args:
        app: what is behind it.
        max_mb: of one body.
        max_held_mb: of all bodies of requests that have no answer yet.
        timeout_s: until the whole body is there.
        held: where the bytes are counted.
    """

    def __init__(self, app: ASGIApp, *, max_mb: float, max_held_mb: float, timeout_s: float, held: Held) -> None:
        self._app = app
        self._max_mb, self._max_held_mb, self._timeout_s = max_mb, max_held_mb, timeout_s
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(self, receive)
        try:
            self._require_promise(Headers(scope=scope))
            await self._app(scope, body.receive, send)
        except RequestError as refusal:
            await refuse(refusal, scope, receive, send, body_is_read=body.is_whole)
        finally:
            self._held.num_bytes -= body.num_bytes

    def _require_promise(self, headers: Headers) -> None:
        """Refuse by what the client says it will send, before it does."""
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_mb * MB:
            raise self._too_large()

    def take(self, body: "_Body", num_bytes: int) -> None:
        """Count bytes that have come."""
        body.num_bytes += num_bytes
        self._held.num_bytes += num_bytes
        if body.num_bytes > self._max_mb * MB:
            raise self._too_large()
        if self._held.num_bytes > self._max_held_mb * MB:
            raise RequestError(503, "busy", "too much is being read", remedy="try again", headers={"Retry-After": "5"})

    async def receive_in_time(self, receive: Receive, deadline: float) -> Message:
        """The next part of a body."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await receive()
        except TimeoutError as error:
            raise RequestError(
                408,
                "too_slow",
                f"a body that is not there after {self._timeout_s:g} s",
                wanted="all of it by then",
                remedy="a smaller file or a faster connection",
            ) from error

    @property
    def timeout_s(self) -> float:
        """Until the whole body is there."""
        return self._timeout_s

    def _too_large(self) -> RequestError:
        return RequestError(
            413,
            "too_large",
            f"a body of more than {self._max_mb:g} MB",
            wanted=f"{self._max_mb:g} MB or less in a request",
            remedy="fewer files, or a compressed form such as FLAC or Opus",
        )


class _Body:
    """One body on its way in."""

    def __init__(self, limits: BodyLimits, receive: Receive) -> None:
        self._limits, self._receive = limits, receive
        self._deadline = time.monotonic() + limits.timeout_s
        self.is_whole = False
        self.num_bytes = 0

    async def receive(self) -> Message:
        if self.is_whole:
            # What follows is only ever that the client has gone.
            return await self._receive()
        message = await self._limits.receive_in_time(self._receive, self._deadline)
        if message["type"] == "http.request":
            self.is_whole = not message.get("more_body", False)
            self._limits.take(self, len(message.get("body", b"")))
        return message
