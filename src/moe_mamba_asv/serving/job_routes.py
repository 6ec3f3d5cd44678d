"""Routes of long recordings: start a job, ask how far it is, be told as it changes, delete it."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.evaluation.base import Result
from moe_mamba_asv.scoring.long_audio import LongOptions
from moe_mamba_asv.serving.access import KEY_NUMBER
from moe_mamba_asv.serving.job_answers import JobAnswer
from moe_mamba_asv.serving.jobs import Job, Jobs
from moe_mamba_asv.serving.problems import ACCESS_REFUSALS, Problem, RequestError
from moe_mamba_asv.serving.service import Service
from moe_mamba_asv.serving.uploads import read_uploads

LONG_PATH = "/v1/score/long"
#: Who listens is told of a change after so long at most; and that the line is open, so that no proxy cuts it.
_LOOK_S, _ALIVE_S = 0.2, 15.0
#: For one job.
_MAX_LISTENERS = 8
_FILE = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
    "additionalProperties": False,
}
_EVENTS = {
    "itemSchema": {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"enum": ["progress", "done", "failed", "deleted"]},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
    },
    "example": 'event: progress\ndata: {"state":"running","done_s":812.0,"total_s":3600.0}\n\n'
    'event: done\ndata: {"id":"pUV1…","state":"done", … as /v1/jobs/{job_id} answers}\n\n',
}
_MINE: dict[int | str, dict[str, Any]] = {
    **ACCESS_REFUSALS,
    404: {"model": Problem, "description": "No such job, no longer, or of another key"},
    422: {"model": Problem, "description": "No id"},
}

JobId = Annotated[str, Path(min_length=1, max_length=64, description="As the job was answered.")]


class ProgressEvent(Result):
    """Data of an event of progress."""

    state: str
    done_s: float
    total_s: float | None


class _EventStream(StreamingResponse):
    """Server-Sent Events."""

    media_type = "text/event-stream"


def job_routes(service: Service, jobs: Jobs, refusals: dict[int | str, dict[str, Any]]) -> APIRouter:
    """The routes.

    Args:
        service: where models are.
        jobs: where jobs are.
        refusals: of an upload, for the description.
    """
    router = APIRouter()

    @router.post(
        LONG_PATH,
        status_code=202,
        responses={**refusals, 422: {"model": Problem, "description": "A parameter makes no sense"}},
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILE}}}},
        summary="Score all of a long recording",
    )
    async def start(
        request: Request,
        response: Response,
        model: Annotated[str | None, Query(description="Name of a model; the first where none is given.")] = None,
        hop_s: Annotated[
            # A floor, for each window takes memory and a place in the answer.
            float | None,
            Query(ge=0.25, le=60, description="From a window to the next; half a window where none is given."),
        ] = None,
        min_speech: Annotated[
            float, Query(ge=0, le=1, description="A window with a smaller share of speech has no vote.")
        ] = 0.25,
        lowest_count: Annotated[int, Query(ge=1, le=1_000, description="Windows in the mean of the lowest.")] = 5,
    ) -> JobAnswer:
        """One file; the answer says where to ask for the result."""
        asked = service.model(model)
        if hop_s is not None and hop_s * SAMPLE_RATE_HZ > asked.num_samples:
            window_s = asked.num_samples / SAMPLE_RATE_HZ
            raise RequestError(422, "impossible", f"hop_s: {hop_s:g} s", wanted=f"at most a window, {window_s:g} s")
        jobs.require_room()
        [upload] = await read_uploads(request, 1)
        options = LongOptions(hop_s, min_speech, lowest_count, service.settings.batch_size)
        job = jobs.start(_owner(request), asked, upload.content, options)
        response.headers["Location"] = job.answer.address
        return job.answer

    @router.get("/v1/jobs/{job_id}", responses=_MINE, summary="How far is it, and what was found?")
    async def look(request: Request, job_id: JobId) -> JobAnswer:
        """Seconds that are scored, of seconds in all; the result, once it is done."""
        return jobs.find(job_id, _owner(request)).answer

    @router.get(
        "/v1/jobs/{job_id}/events",
        # Of no type, for that would be the one of refusals too.
        response_class=Response,
        responses={
            **_MINE,
            200: {"description": "Progress, then the job", "content": {_EventStream.media_type: _EVENTS}},
            503: {"model": Problem, "description": "Too many listen to this job"},
        },
        summary="Be told as it changes",
    )
    async def listen(request: Request, job_id: JobId) -> _EventStream:
        """Server-Sent Events: `progress`, then one of `done`, `failed` (with the job as data) and `deleted`."""
        job = jobs.find(job_id, _owner(request))
        if job.listeners >= _MAX_LISTENERS:
            raise RequestError(503, "busy", "too many listen to this job", wanted=f"{_MAX_LISTENERS} or fewer")
        # A proxy that gathers answers would tell nothing until the end.
        return _EventStream(_events(job), headers={"X-Accel-Buffering": "no"})

    @router.delete("/v1/jobs/{job_id}", status_code=204, responses=_MINE, summary="Stop and forget it")
    async def delete(request: Request, job_id: JobId) -> None:
        """Its recording and its result are gone then."""
        jobs.delete(job_id, _owner(request))

    return router


def _owner(request: Request) -> int | None:
    return request.scope.get(KEY_NUMBER)


async def _events(job: Job) -> AsyncIterator[str]:
    """What is told of a job, each change once."""
    told, told_at = None, time.monotonic()
    job.listeners += 1
    try:
        while not job.is_abandoned:
            answer = job.answer
            if answer.state in ("done", "failed"):
                yield _event(answer.state, answer)
                return
            now = ProgressEvent(state=answer.state, done_s=answer.progress.done_s, total_s=answer.progress.total_s)
            if now != told:
                told, told_at = now, time.monotonic()
                yield _event("progress", now)
            elif time.monotonic() - told_at > _ALIVE_S:
                told_at = time.monotonic()
                yield ": still there\n\n"
            await asyncio.sleep(_LOOK_S)
        yield "event: deleted\ndata: {}\n\n"
    finally:
        job.listeners -= 1


def _event(name: str, data: Result) -> str:
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n"
