"""Who may ask, and how often."""

import hashlib
import hmac
import math
import time
from collections.abc import Callable, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from moe_mamba_asv.serving.page import PAGE_PATHS
from moe_mamba_asv.serving.problems import RequestError, refuse

#: Anyone may see the page, and ask whether the service lives, as often as they like.
OPEN_PATHS = frozenset({"/healthz", "/readyz"}) | PAGE_PATHS
#: So many clients are remembered; those that have not asked for a minute are forgotten first.
_REMEMBERED = 10_000
#: Where the number of a request's key stands in its scope; None where keys are off.
KEY_NUMBER = "mma_key_number"


class Access:
    """Middleware: a key where keys are set (401), and so many requests a minute (429).

    The key comes as ``X-API-Key`` or ``Authorization: Bearer``. Wrong keys are counted by address, so that guessing is
    slow. Applies to WebSockets too, which are closed.

    Args:
        app: what is behind it.
        keys: that are let in; none lets anyone in.
        per_minute: requests of one key, or one address; all of them may come at once.
        clock: seconds; another for tests.
    """

    def __init__(
        self, app: ASGIApp, *, keys: Sequence[str], per_minute: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._digests = [_digest(key) for key in keys]
        self._buckets = _Buckets(per_minute, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer that it may not."""
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        try:
            self._admit(scope)
        except RequestError as refusal:
            await _turn_away(refusal, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> None:
        scope[KEY_NUMBER] = key = self._key_number(Headers(scope=scope))
        known = key is not None or not self._digests
        client = scope.get("client") or ("unknown", 0)
        wait_s = self._buckets.take(f"key {key}" if key is not None else f"address {client[0]}")
        if wait_s > 0:
            raise RequestError(
                429,
                "too_many_requests",
                "too many requests",
                wanted=f"{self._buckets.per_minute} a minute or fewer",
                remedy=f"wait {math.ceil(wait_s)} s",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )
        if not known:
            raise RequestError(
                401,
                "no_access",
                "no key, or one that is not known",
                wanted="X-API-Key: KEY, or Authorization: Bearer KEY",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _key_number(self, headers: Headers) -> int | None:
        """Which key was sent; takes as long for a wrong one as for a right one."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        digest = _digest(headers.get("x-api-key") or (bearer.strip() if scheme.lower() == "bearer" else ""))
        same = [hmac.compare_digest(digest, known) for known in self._digests]
        return same.index(True) if any(same) else None


def _digest(key: str) -> bytes:
    """Of one length, so that not even the length of a key is told by the time of comparing."""
    return hashlib.sha256(key.encode()).digest()


async def _turn_away(refusal: RequestError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.problem.code})
    else:
        await refuse(refusal, scope, receive, send, body_is_read=False)


class _Buckets:
    """A bucket of requests for each client: it fills by the minute and may be emptied at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> float:
        """Take a request; answers the seconds to wait where there is none left, else 0."""
        now = self._clock()
        left, since = self._left.pop(client, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + (now - since) * self.per_minute / 60)
        allowed = left >= 1
        self._left[client] = (left - 1 if allowed else left, now)
        if len(self._left) > _REMEMBERED:
            # In the order of their last request: the first has been quiet for the longest.
            del self._left[next(iter(self._left))]
        return 0.0 if allowed else (1 - left) * 60 / self.per_minute
