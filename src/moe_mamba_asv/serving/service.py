"""From uploads to answers: each file is decoded elsewhere, heard together with others, and forgotten."""

import asyncio
import platform
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch

from moe_mamba_asv import __version__
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.serving.answers import Fault, FileAnswer, Heard, ScoreAnswer
from moe_mamba_asv.serving.cores import Cores
from moe_mamba_asv.serving.decode_worker import Decode
from moe_mamba_asv.serving.decoders import Decoders
from moe_mamba_asv.serving.metrics import Metrics
from moe_mamba_asv.serving.problems import RequestError
from moe_mamba_asv.serving.served_model import ServedModel
from moe_mamba_asv.serving.settings import MB, Settings
from moe_mamba_asv.serving.uploads import Upload


class Service:
    """All models, and the processes that decode for them.

    Args:
        settings: of the service.
        metrics: where what happens is counted.
        decode: what the decoders do with a file; None is `load_16k`, as `mma score` does.

    Raises:
        MmaError: a model cannot be served, see `ServedModel`; a decoder does not come up.
    """

    def __init__(self, settings: Settings, metrics: Metrics, decode: Decode | None = None) -> None:
        self.settings, self._metrics = settings, metrics
        cores = Cores()
        self.models = {name: ServedModel(name, place, settings, cores) for name, place in settings.models.items()}
        self.decoders = Decoders(
            decode or partial(load_16k, max_duration_s=settings.max_duration_s),
            count=settings.decoders,
            timeout_s=settings.decode_timeout_s,
            memory_bytes=settings.decode_memory_mb * MB,
        )
        self._decoding = ThreadPoolExecutor(settings.decoders, thread_name_prefix="decode")
        # Bounds memory: however many files wait, so many waveforms are there at most, those of batches that are being
        # heard and of one that gathers.
        self._room = asyncio.Semaphore((settings.batches_at_once + 1) * settings.batch_size)
        self.versions = {
            "moe-mamba-asv": __version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        }
        self.waiting = 0

    def close(self) -> None:
        """Stop decoding and hearing."""
        self.decoders.close()
        self._decoding.shutdown(wait=False, cancel_futures=True)
        for model in self.models.values():
            model.batcher.close()

    def model(self, name: str | None) -> ServedModel:
        """The model of a name; the first where none is given.

        Raises:
            RequestError: 404, there is no such model.
        """
        found = next(iter(self.models.values())) if name is None else self.models.get(name)
        if found is None:
            raise RequestError(404, "unknown_model", "a model that is not served", wanted=", ".join(self.models))
        return found

    async def score(self, uploads: Sequence[Upload], model: ServedModel, prior: float | None) -> ScoreAnswer:
        """Score files; a bad one is answered by its error and is never in the way of the rest."""
        prior = self.settings.prior if prior is None else prior
        answers = await asyncio.gather(
            *(self._answer(index, upload, model, prior) for index, upload in enumerate(uploads))
        )
        return ScoreAnswer(model=model.describe(), versions=self.versions, files=tuple(answers))

    async def _answer(self, index: int, upload: Upload, model: ServedModel, prior: float) -> FileAnswer:
        self.waiting += 1
        try:
            async with self._room:
                heard, fault = await self._hear(upload.content, model, prior), None
        except AudioError as error:
            heard, fault = None, Fault(got=error.got, wanted=error.wanted, remedy=error.remedy)
        finally:
            self.waiting -= 1
        self._metrics.count_file(model.name, scored=heard is not None)
        return FileAnswer(index=index, name=upload.name, result=heard, error=fault)

    async def _hear(self, content: bytes, model: ServedModel, prior: float) -> Heard:
        waveform = await asyncio.get_running_loop().run_in_executor(self._decoding, self.decoders.decode, content)
        said = await asyncio.wrap_future(model.batcher.submit(model.crop(waveform)))
        return await asyncio.to_thread(model.answer, waveform, said, prior)
