"""The outermost layer: every answer gets its headers, every request one line in the log and one count."""

import logging
import time
import traceback

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moe_mamba_asv.serving.metrics import Metrics
from moe_mamba_asv.serving.problems import RequestError

_log = logging.getLogger(__name__)

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Watch:
    """Middleware: security headers, the log, the counts, and an answer where something broke.

    The log says method, route, status and time: never an address typed by a client, a file name, a key or content.

    Args:
        app: what is behind it.
        metrics: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever happens."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:  # noqa: BLE001 (answered and logged, without its words: they may hold content)
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s in an answer\n%s", type(error).__name__, where)
            if status == 0:
                await _broken().response()(scope, receive, send_with_headers)
        finally:
            self._finish(scope, status, time.monotonic() - started)

    def _finish(self, scope: Scope, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        _log.info("%s %s %d %.0f ms", scope["method"], path, status, 1000 * seconds)
        self._metrics.count_request(path, status, seconds)


def _broken() -> RequestError:
    return RequestError(
        500, "broken", "an error of the service", remedy="tell who runs it; the log says where it broke"
    )
