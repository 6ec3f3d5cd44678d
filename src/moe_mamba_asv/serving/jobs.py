"""Long recordings: they wait in line, are scored outside the event loop, and their answers are kept for a while."""

import asyncio
import logging
import math
import secrets
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scoring.long_audio import LongOptions, score_long_blocks
from moe_mamba_asv.scoring.long_score import LongScore
from moe_mamba_asv.serving.answers import Fault
from moe_mamba_asv.serving.body import Held
from moe_mamba_asv.serving.decoders import BlockDecoders
from moe_mamba_asv.serving.job_answers import JobAnswer, LongAnswer, Progress, State
from moe_mamba_asv.serving.metrics import Metrics
from moe_mamba_asv.serving.problems import RequestError
from moe_mamba_asv.serving.served_model import ServedModel
from moe_mamba_asv.serving.settings import Settings

_log = logging.getLogger(__name__)
#: Random bytes in an id: nobody guesses one.
_ID_BYTES = 24


class _AbandonedError(Exception):
    """Nobody wants the answer any more."""


class Job:
    """One recording.

    Args:
        owner: number of the key that sent it; None where keys are off.
        model: that is asked.
        content: of the file; forgotten when the job ends.
        options: of windows and pooling.
        keep_s: see `JobAnswer`.

    Attributes:
        answer: what is known of it now; replaced as a whole, so any thread may look.
        listeners: who is being told as it changes.
    """

    def __init__(
        self, owner: int | None, model: ServedModel, content: bytes, options: LongOptions, *, keep_s: float
    ) -> None:
        self.owner, self.model, self.content, self.options = owner, model, content, options
        name = secrets.token_urlsafe(_ID_BYTES)
        address = f"/v1/jobs/{name}"
        self.answer = JobAnswer(id=name, address=address, events=f"{address}/events", kept_s=keep_s)
        self.listeners = 0
        self.expires: float = math.inf
        self._abandoned = threading.Event()

    @property
    def is_abandoned(self) -> bool:
        """Whether it was deleted."""
        return self._abandoned.is_set()

    def abandon(self) -> None:
        """Have it stop at the next block or batch."""
        self._abandoned.set()

    def note(self, **changes: Any) -> None:
        """Change what is known of it."""
        self.answer = self.answer.model_copy(update=changes)

    def work(self, decoders: BlockDecoders) -> LongScore:
        """Score it, in a thread of its own.

        Raises:
            AudioError: see `score_long_blocks`.
        """
        self._require_wanted()
        self.note(state="running")
        content = self.content
        # The decoder is free again when this returns, not when somebody lets go of an error's traceback.
        with ExitStack() as readings:

            def read() -> Iterator[NDArray[np.float32]]:
                for block in readings.enter_context(closing(decoders.blocks(content))):
                    self._require_wanted()
                    yield block

            return score_long_blocks(self.model, read, self.options, on_progress=self._progress)

    def _progress(self, done_s: float, total_s: float) -> None:
        self._require_wanted()
        self.note(progress=Progress(done_s=done_s, total_s=total_s))

    def _require_wanted(self) -> None:
        if self.is_abandoned:
            raise _AbandonedError


class Jobs:
    """All of them; asked from the event loop only.

    Args:
        settings: of the service.
        decoders: as many processes as jobs run at once.
        metrics: where files are counted.
        versions: told with an answer.

    Attributes:
        decoders: as given; they are closed with the jobs.
        held: bytes of recordings that are sent, wait or are scored.
    """

    def __init__(self, settings: Settings, decoders: BlockDecoders, metrics: Metrics, versions: dict[str, str]) -> None:
        self._settings, self._metrics = settings, metrics
        self.decoders, self.held = decoders, Held()
        self._versions = versions
        self._jobs: dict[str, Job] = {}
        self._following: dict[Job, tuple[asyncio.Task[None], Future[LongScore]]] = {}
        self._threads = ThreadPoolExecutor(settings.jobs_at_once, thread_name_prefix="long")

    def require_room(self) -> None:
        """Refuse before anything is read.

        Raises:
            RequestError: 503, there are too many.
        """
        if len(self._jobs) < self._settings.max_jobs:
            return
        soonest = min(job.expires for job in self._jobs.values()) - time.monotonic()
        raise RequestError(
            503,
            "too_many_jobs",
            "as many long recordings as the service takes",
            wanted=f"{self._settings.max_jobs} that wait, are scored or are kept as results",
            remedy="delete jobs whose results you have read, or try again later",
            headers={"Retry-After": str(max(1, math.ceil(min(soonest, self._settings.job_keep_s))))},
        )

    def start(self, owner: int | None, model: ServedModel, content: bytes, options: LongOptions) -> Job:
        """Have a recording scored when its turn comes.

        Raises:
            RequestError: see `require_room`.
        """
        self.require_room()
        job = Job(owner, model, content, options, keep_s=self._settings.job_keep_s)
        self._jobs[job.answer.id] = job
        self.held.num_bytes += len(content)
        future = self._threads.submit(job.work, self.decoders)
        self._following[job] = asyncio.create_task(self._follow(job, future)), future
        return job

    def find(self, job_id: str, owner: int | None) -> Job:
        """A job of one's own.

        Raises:
            RequestError: 404, there is none; the same words where it is somebody else's.
        """
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            raise RequestError(
                404,
                "unknown_job",
                "no such job, or no longer",
                wanted=f"an id that this key was given; answers are kept for {self._settings.job_keep_s:g} s",
                remedy="send the recording again",
            )
        return job

    def delete(self, job_id: str, owner: int | None) -> None:
        """Forget a job, its recording and its answer, and stop what is done for it.

        Raises:
            RequestError: see `find`.
        """
        job = self.find(job_id, owner)
        del self._jobs[job_id]
        self._stop(job)

    def by_state(self) -> dict[State, int]:
        """How many there are in each state."""
        count = Counter(job.answer.state for job in self._jobs.values())
        return {state: count[state] for state in get_args(State)}

    async def close(self) -> None:
        """Stop all of them; call it before the models stop."""
        following = [task for task, _ in self._following.values()]
        for job in list(self._following):
            self._stop(job)
        self.decoders.close()  # one that hangs holds nobody up
        self._threads.shutdown(wait=True, cancel_futures=True)
        await asyncio.gather(*following)

    def _stop(self, job: Job) -> None:
        job.abandon()
        if job in self._following:
            self._following[job][1].cancel()  # where it has not begun

    async def _follow(self, job: Job, future: "Future[LongScore]") -> None:
        """Wait for its end, and tell it."""
        num_bytes = len(job.content)
        try:
            score = await asyncio.wrap_future(future)
            answer = LongAnswer(model=job.model.describe(), versions=self._versions, score=score)
            job.note(state="done", result=answer)
        except AudioError as error:
            job.note(state="failed", error=Fault(got=error.got, wanted=error.wanted, remedy=error.remedy))
        except (_AbandonedError, asyncio.CancelledError):
            return
        except Exception as error:  # noqa: BLE001 (told and logged, without its words: they may hold content)
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("%s in a long recording\n%s", type(error).__name__, where)
            job.note(state="failed", error=Fault(got="an error of the service", wanted="", remedy="tell who runs it"))
        finally:
            job.content = b""
            self.held.num_bytes -= num_bytes
            del self._following[job]
        self._metrics.count_file(job.model.name, scored=job.answer.state == "done")
        keep_s = self._settings.job_keep_s
        job.expires = time.monotonic() + keep_s
        asyncio.get_running_loop().call_later(keep_s, partial(self._jobs.pop, job.answer.id, None))
