"""``WS /v1/stream``: sound comes in as it is spoken, scores go out as soon as they are known."""

import asyncio
import contextlib
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from fastapi import WebSocket, WebSocketDisconnect
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError, ConfigError
from moe_mamba_asv.scoring.stream import Stream
from moe_mamba_asv.serving.problems import RequestError
from moe_mamba_asv.serving.service import Service
from moe_mamba_asv.serving.settings import KB

_log = logging.getLogger(__name__)
#: Why a WebSocket is closed, by RFC 6455 and its registry.
_NORMAL, _BAD_DATA, _REFUSED, _TOO_BIG, _BROKEN, _LATER = 1000, 1007, 1008, 1009, 1011, 1013
#: Streams that hear at the same time; the others wait for their turn.
_THREADS = 2


class Start(BaseModel):
    """The first message.

    Attributes:
        format: of the samples: ``int16`` or ``float32``, little-endian, mono, 16 kHz; floats from -1 to 1.
        model: name of one; the first where none is given.
        half_life_s: see `moe_mamba_asv.scoring.stream.Stream`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["int16", "float32"]
    model: str | None = None
    half_life_s: float | None = Field(default=None, gt=0)


class LiveStreams:
    """All open streams.

    Args:
        service: where models and settings are.

    Attributes:
        open: how many there are.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._settings = service, service.settings
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="stream")
        self.open = 0

    def close(self) -> None:
        """Stop hearing."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def answer(self, socket: WebSocket) -> None:
        """Serve one stream, until its client leaves or it is closed with a reason."""
        await socket.accept()
        self.open += 1
        started, code = time.monotonic(), _NORMAL
        try:
            await self._serve(socket)
        except WebSocketDisconnect as gone:
            code = gone.code
        except _ClosedError as closed:
            code = closed.code
            await self._say_why(socket, closed)
        except Exception as error:  # noqa: BLE001 (told and logged, without its words: they may hold content)
            code = _BROKEN
            _log.error("%s in a stream", type(error).__name__)
            await self._say_why(socket, _ClosedError(_BROKEN, "broken", "an error of the service"))
        finally:
            self.open -= 1
            _log.info("WS /v1/stream %d %.1f s", code, time.monotonic() - started)

    async def _serve(self, socket: WebSocket) -> None:
        self._require_origin(socket)
        if self.open > self._settings.max_streams:
            raise _ClosedError(_LATER, "busy", "too many streams", wanted=f"{self._settings.max_streams} or fewer")
        try:
            async with asyncio.timeout(self._settings.max_stream_s):
                await self._hear(socket)
        except TimeoutError as error:
            raise self._over() from error

    def _require_origin(self, socket: WebSocket) -> None:
        """Browsers let any page open a WebSocket to anywhere; they only say which page it is."""
        origin = socket.headers.get("origin")
        if origin is None or origin in self._settings.cors_origins:
            return
        if urlsplit(origin).netloc.lower() != socket.headers.get("host", "").lower():
            raise _ClosedError(_REFUSED, "foreign_origin", "a page of another origin", remedy="see cors_origins")

    async def _hear(self, socket: WebSocket) -> None:
        start = _start_of(await self._receive(socket))
        stream = await self._open(socket, start)
        num_heard = 0
        while isinstance(message := await self._receive(socket), bytes):
            samples = _samples(message, start.format)
            num_heard += len(samples)
            if num_heard > self._settings.max_stream_s * SAMPLE_RATE_HZ:
                raise self._over()
            try:
                scores = await self._in_thread(stream.push, samples)
            except AudioError as error:
                raise _ClosedError(
                    _BAD_DATA, "bad_samples", error.got, wanted=error.wanted, remedy=error.remedy
                ) from error
            if scores:
                rows = [{"time_s": one.time_s, "score": one.score} for one in scores]
                if not np.isfinite([one.score for one in scores]).all():
                    raise _ClosedError(_BAD_DATA, "no_number", "sound for which the model answers no number")
                await self._send(socket, {"scores": rows})
        _require_end(message)
        await self._send(socket, {"end": {"heard_s": num_heard / SAMPLE_RATE_HZ}})
        await socket.close(_NORMAL)

    async def _open(self, socket: WebSocket, start: Start) -> Stream:
        try:
            model = self._service.model(start.model)
            stream = await self._in_thread(model.open_stream, start.half_life_s)
        except RequestError as error:
            problem = error.problem
            raise _ClosedError(_REFUSED, problem.code, problem.got, wanted=problem.wanted) from error
        except ConfigError as error:
            raise _ClosedError(
                _REFUSED, "not_streaming", error.got, wanted=error.wanted, remedy=error.remedy
            ) from error
        ready = {
            "model": model.describe().model_dump(),
            "versions": self._service.versions,
            "hop_s": stream.hop_samples / SAMPLE_RATE_HZ,
        }
        await self._send(socket, {"ready": ready})
        return stream

    async def _receive(self, socket: WebSocket) -> str | bytes:
        idle_s = self._settings.stream_idle_s
        message: Any = None
        try:
            async with asyncio.timeout(idle_s):
                message = await socket.receive()
        except TimeoutError as error:
            raise _ClosedError(_REFUSED, "silent", f"nothing for {idle_s:g} s", remedy="send sound, or end") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        content = message["text"] if message.get("bytes") is None else message["bytes"]
        if len(content) > self._settings.stream_message_kb * KB:
            raise _ClosedError(
                _TOO_BIG, "too_large", "a message that is too large", wanted=f"{self._settings.stream_message_kb} kB"
            )
        return content

    async def _send(self, socket: WebSocket, message: dict[str, Any]) -> None:
        """A client that does not read what it asked for is not waited for."""
        try:
            async with asyncio.timeout(self._settings.stream_idle_s):
                await socket.send_text(json.dumps(message, allow_nan=False))
        except TimeoutError as error:
            raise WebSocketDisconnect(1006) from error

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def _say_why(self, socket: WebSocket, closed: "_ClosedError") -> None:
        try:
            await self._send(socket, {"error": closed.problem.model_dump()})
            # A reason has room for 123 bytes: the code says it, as in every refusal.
            await socket.close(closed.code, closed.problem.code)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # it has gone

    def _over(self) -> "_ClosedError":
        limit = f"{self._settings.max_stream_s:g} s"
        return _ClosedError(_REFUSED, "too_long", f"a stream of more than {limit}", wanted=f"{limit} or less")


class _ClosedError(RequestError):
    """A stream that is closed with a reason; ``status`` of a `RequestError` is the WebSocket's code here."""

    def __init__(self, code: int, name: str, got: str, *, wanted: str = "", remedy: str = "") -> None:
        super().__init__(code, name, got, wanted=wanted, remedy=remedy)
        self.code = code


def _start_of(message: str | bytes) -> Start:
    try:
        return Start.model_validate_json(message if isinstance(message, str) else b"")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "first message"
        raise _ClosedError(
            _REFUSED, "impossible", f"{place}: {first['msg']}", wanted='{"format": "int16"}, model, half_life_s'
        ) from error


def _require_end(message: str) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        if json.loads(message) == {"end": True}:
            return
    raise _ClosedError(_BAD_DATA, "impossible", "words among sound", wanted='binary messages, or {"end": true}')


def _samples(message: bytes, form: str) -> NDArray[np.float32]:
    """Samples (samples,) of a message."""
    kind = np.dtype("<i2" if form == "int16" else "<f4")
    if len(message) % kind.itemsize:
        raise _ClosedError(
            _BAD_DATA,
            "bad_samples",
            f"a message of {len(message)} bytes",
            wanted=f"whole samples of {kind.itemsize} bytes, as {form}",
        )
    samples = np.frombuffer(message, kind).astype(np.float32)
    return samples / np.float32(32_768) if form == "int16" else samples
