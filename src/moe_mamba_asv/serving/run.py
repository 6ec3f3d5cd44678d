"""Start the service: uvicorn, told to believe nobody and to wait for nobody."""

import asyncio
import logging
import resource
import sys
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from moe_mamba_asv.serving.app import create_app
from moe_mamba_asv.serving.settings import KB, Settings

#: Open files that are asked for: a shell's usual 1,024 are fewer than the connections of somebody who means harm.
_MOST_FILES = 65_536
#: How long a thread may keep Python from the others. A model gives way at each of its hundreds of operations, and would
#: wait Python's usual 5 ms for its turn at each of them.
_TURN_S = 0.0002
#: Requests under way when the service is stopped have so long to end.
_GRACE_S = 30


def make_server(app: Any, settings: Settings) -> uvicorn.Server:
    """A server for the application; ``run()`` blocks until it is stopped."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=_timed(settings.header_timeout_s),
            # Ours has no address in it that a client typed.
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies) or None,
            timeout_graceful_shutdown=_GRACE_S,
            # A little beyond the limit, so that the answer to what is just too large is ours.
            ws_max_size=2 * KB * settings.stream_message_kb,
            # Sound hardly shrinks, and a small message must not become a large one.
            ws_per_message_deflate=False,
        )
    )


def serve(settings: Settings) -> None:
    """Load the models and answer until stopped.

    Raises:
        MmaError: a model cannot be served, or no decoder comes up.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it quotes bodies that are malformed
    allow_connections()
    sys.setswitchinterval(_TURN_S)
    make_server(create_app(settings), settings).run()


def allow_connections() -> None:
    """Raise the number of connections that may be open at once, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _timed(header_timeout_s: float) -> type[H11Protocol]:
    """The protocol, with a limit on the time until a request's headers are there.

    uvicorn's own limits count from the last byte, so a client that sends a byte now and then would stay for ever.
    """

    class Timed(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.access_log = False  # also where somebody has given its logger a handler
            self._start_clock()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_clock()
            super().connection_lost(exc)

        def handle_events(self) -> None:
            super().handle_events()
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_clock()

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._stop_clock()
            super().handle_websocket_upgrade(event)

        def on_response_complete(self) -> None:
            self._start_clock()
            super().on_response_complete()

        def _start_clock(self) -> None:
            self._stop_clock()
            self._deadline = self.loop.call_later(header_timeout_s, self.transport.close)

        def _stop_clock(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return Timed
