"""The service as an ASGI application: its routes, and what stands before them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException

from moe_mamba_asv import __version__
from moe_mamba_asv.audio.stream_decode import stream_16k
from moe_mamba_asv.serving.access import Access
from moe_mamba_asv.serving.answers import Health, Models, ScoreAnswer
from moe_mamba_asv.serving.body import BodyLimit, BodyLimits, Held
from moe_mamba_asv.serving.decode_worker import Decode
from moe_mamba_asv.serving.decoders import BlockDecoders
from moe_mamba_asv.serving.job_routes import LONG_PATH, job_routes
from moe_mamba_asv.serving.jobs import Jobs
from moe_mamba_asv.serving.live import LiveStreams
from moe_mamba_asv.serving.metrics import Metrics
from moe_mamba_asv.serving.page import add_page
from moe_mamba_asv.serving.problems import ACCESS_REFUSALS, Problem, RequestError
from moe_mamba_asv.serving.service import Service
from moe_mamba_asv.serving.settings import MB, Settings
from moe_mamba_asv.serving.uploads import read_uploads
from moe_mamba_asv.serving.watch import Watch

_SEE = "what /openapi.json describes"
_DESCRIPTION = (
    "Scores recordings: is this speech bona fide or synthetic? Nothing of a recording is kept. Live sound goes over a "
    'WebSocket, `/v1/stream`: first `{"format": "int16"}` (or `float32`; optionally `model` and `half_life_s`), then '
    "binary messages of mono samples at 16 kHz, little-endian; back come "
    '`{"scores": [{"time_s": 1.5, "score": 0.7}]}`; `{"end": true}` ends it.'
)
_COUNTS = {"text/plain": {"schema": {"type": "string"}}}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    **ACCESS_REFUSALS,
    400: {"model": Problem, "description": "Malformed, incomplete or without files"},
    404: {"model": Problem, "description": "No such model"},
    408: {"model": Problem, "description": "The body came too slowly"},
    413: {"model": Problem, "description": "Too large, or too many files"},
    415: {"model": Problem, "description": "Not multipart/form-data"},
    422: {"model": ScoreAnswer | Problem, "description": "No file could be scored, or a parameter makes no sense"},
    503: {"model": Problem, "description": "Too much is being read at the moment"},
}


def create_app(settings: Settings, *, decode: Decode | None = None) -> FastAPI:
    """The application; it has its models loaded and its decoders running, and stops them when it is shut down.

    Args:
        settings: of the service.
        decode: from a file's content to samples at 16 kHz, importable by name; another for tests.

    Raises:
        MmaError: a model cannot be served, or no decoder comes up.
    """
    metrics, held = Metrics(), Held()
    service = Service(settings, metrics, decode)
    jobs = Jobs(settings, _long_decoders(settings), metrics, service.versions)
    streams = LiveStreams(service)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await jobs.close()
        streams.close()
        service.close()

    app = FastAPI(
        title="moe-mamba-asv",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # Its pages load scripts from elsewhere; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    _add_routes(app, service)
    app.include_router(job_routes(service, jobs, _REFUSALS))
    app.add_api_websocket_route("/v1/stream", streams.answer)
    _add_counts(app, service, jobs, streams, metrics, held)
    add_page(app)
    app.add_exception_handler(RequestValidationError, _impossible)
    app.add_exception_handler(HTTPException, _other)
    # The last one stands outermost.
    app.add_middleware(
        BodyLimits,
        usual=BodyLimit(settings.max_upload_mb, settings.body_timeout_s, settings.max_held_mb, held),
        # Counted apart, so that long recordings that wait in line are not in the way of short ones.
        by_path={LONG_PATH: _long_limit(settings, jobs.held)},
    )
    keys = [key.get_secret_value() for key in settings.api_keys]
    app.add_middleware(Access, keys=keys, per_minute=settings.requests_per_minute)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "X-API-Key"],
        )
    app.add_middleware(Watch, metrics=metrics)
    return app


def _long_decoders(settings: Settings) -> BlockDecoders:
    return BlockDecoders(
        stream_16k,
        count=settings.jobs_at_once,
        timeout_s=settings.long_decode_timeout_s,
        memory_bytes=settings.decode_memory_mb * MB,
        max_duration_s=settings.max_long_duration_s,
    )


def _long_limit(settings: Settings, held: Held) -> BodyLimit:
    return BodyLimit(settings.max_long_upload_mb, settings.long_body_timeout_s, settings.max_long_held_mb, held)


def _add_routes(app: FastAPI, service: Service) -> None:
    files = _files(service.settings.max_files)

    @app.post(
        "/v1/score",
        response_model=ScoreAnswer,
        responses=_REFUSALS,
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": files}}}},
        summary="Score recordings",
    )
    async def score(
        request: Request,
        response: Response,
        model: Annotated[str | None, Query(description="Name of a model; the first where none is given.")] = None,
        prior: Annotated[
            float | None,
            Query(gt=0, lt=1, description="Share of bona fide in all audio, for a calibrated model.", examples=[0.01]),
        ] = None,
    ) -> ScoreAnswer:
        """Each file gets its own answer or error, in their order; 422 where none could be scored."""
        asked = service.model(model)
        answer = await service.score(await read_uploads(request, service.settings.max_files), asked, prior)
        if all(file.result is None for file in answer.files):
            response.status_code = 422
        return answer

    @app.get("/v1/models", responses=ACCESS_REFUSALS, summary="What can be asked")
    async def models() -> Models:
        """The models with their digests and versions."""
        return Models(models=tuple(one.describe() for one in service.models.values()), versions=service.versions)

    @app.get("/healthz", summary="Does it live?")
    async def health() -> Health:
        """It does, if it answers."""
        return Health(status="ok")

    @app.get("/readyz", summary="Can it score?", responses={503: {"model": Health, "description": "Not now"}})
    async def ready(response: Response) -> Health:
        """Whether a decoder is there; the models are before anything is answered."""
        if service.decoders.alive == 0:
            response.status_code = 503
            return Health(status="no decoder")
        return Health(status="ok")


def _files(max_files: int) -> dict[str, Any]:
    """What a body of uploads looks like, for the description."""
    one = {"type": "string", "contentMediaType": "application/octet-stream"}
    told = "WAV, FLAC, MP3, Ogg, Opus, M4A or a video with sound; the field may come repeatedly"
    several = {"type": "array", "items": one, "minItems": 1, "maxItems": max_files, "description": told}
    return {"type": "object", "required": ["file"], "properties": {"file": several}, "additionalProperties": False}


def _add_counts(app: FastAPI, service: Service, jobs: Jobs, streams: LiveStreams, metrics: Metrics, held: Held) -> None:
    @app.get(
        "/metrics",
        # Of no type, for that would be the one of refusals too.
        response_class=Response,
        responses={**ACCESS_REFUSALS, 200: {"description": "Counts", "content": _COUNTS}},
        summary="Counts for Prometheus",
    )
    async def counts() -> PlainTextResponse:
        """In its text format."""
        now = {
            "files_waiting": service.waiting,
            "clips_waiting": sum(model.batcher.waiting for model in service.models.values()),
            "upload_bytes_held": held.num_bytes,
            "long_upload_bytes_held": jobs.held.num_bytes,
            "decoders_alive": service.decoders.alive,
            "decoders_lost_total": service.decoders.lost,
            "long_decoders_alive": jobs.decoders.alive,
            "long_decoders_lost_total": jobs.decoders.lost,
            **{f"jobs_{state}": count for state, count in jobs.by_state().items()},
            "streams_open": streams.open,
        }
        return PlainTextResponse(metrics.text(now), media_type="text/plain; version=0.0.4")


async def _impossible(request: Request, error: Exception) -> Response:
    """A parameter that makes no sense, in the form of every refusal."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return RequestError(422, "impossible", f"{first['loc'][-1]}: {first['msg']}", wanted=_SEE).response()


async def _other(request: Request, error: Exception) -> Response:
    """No such route or method, in the form of every refusal."""
    assert isinstance(error, HTTPException)
    return RequestError(error.status_code, "http", error.detail, wanted=_SEE, headers=error.headers).response()
