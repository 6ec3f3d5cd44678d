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
from moe_mamba_asv.serving.access import Access
from moe_mamba_asv.serving.answers import Health, Models, ScoreAnswer
from moe_mamba_asv.serving.body import BodyLimits, Held
from moe_mamba_asv.serving.decode_worker import Decode
from moe_mamba_asv.serving.metrics import Metrics
from moe_mamba_asv.serving.problems import Problem, RequestError
from moe_mamba_asv.serving.service import Service
from moe_mamba_asv.serving.settings import Settings
from moe_mamba_asv.serving.uploads import read_uploads
from moe_mamba_asv.serving.watch import Watch

_SEE = "what /openapi.json describes"
_FILES = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            "description": "WAV, FLAC, MP3, Ogg, Opus, M4A or a video with sound; the field may come repeatedly",
        }
    },
}
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "Malformed, incomplete or without files"},
    401: {"model": Problem, "description": "No key, or a wrong one"},
    404: {"model": Problem, "description": "No such model"},
    408: {"model": Problem, "description": "The body came too slowly"},
    413: {"model": Problem, "description": "Too large, or too many files"},
    415: {"model": Problem, "description": "Not multipart/form-data"},
    422: {"model": ScoreAnswer | Problem, "description": "No file could be scored, or a parameter makes no sense"},
    429: {"model": Problem, "description": "Too many requests; Retry-After says when to come back"},
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

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="moe-mamba-asv",
        version=__version__,
        description="Scores recordings: is this speech bona fide or synthetic? Nothing of a recording is kept.",
        lifespan=lifespan,
        # Its pages load scripts from elsewhere; the description itself is at /openapi.json.
        docs_url=None,
        redoc_url=None,
    )
    _add_routes(app, service, metrics, held)
    app.add_exception_handler(RequestValidationError, _impossible)
    app.add_exception_handler(HTTPException, _other)
    # The last one stands outermost.
    app.add_middleware(
        BodyLimits,
        max_mb=settings.max_upload_mb,
        max_held_mb=settings.max_held_mb,
        timeout_s=settings.body_timeout_s,
        held=held,
    )
    keys = [key.get_secret_value() for key in settings.api_keys]
    app.add_middleware(Access, keys=keys, per_minute=settings.requests_per_minute)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key"],
        )
    app.add_middleware(Watch, metrics=metrics)
    return app


def _add_routes(app: FastAPI, service: Service, metrics: Metrics, held: Held) -> None:
    @app.post(
        "/v1/score",
        response_model=ScoreAnswer,
        responses=_REFUSALS,
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILES}}}},
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

    @app.get("/v1/models", summary="What can be asked")
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

    @app.get("/metrics", response_class=PlainTextResponse, summary="Counts for Prometheus")
    async def counts() -> PlainTextResponse:
        """In its text format."""
        now = {
            "files_waiting": service.waiting,
            "clips_waiting": sum(model.batcher.waiting for model in service.models.values()),
            "upload_bytes_held": held.num_bytes,
            "decoders_alive": service.decoders.alive,
            "decoders_lost_total": service.decoders.lost,
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
