"""Score many files: in batches, resumable, a bad file listed and never in the way of the rest."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scores.table import SCORE_SCHEMA, ScoreTable
from moe_mamba_asv.scoring.inputs import Input
from moe_mamba_asv.scoring.predictor import Predictor


@dataclass(frozen=True)
class Row:
    """One answer: a score, or the reason why there is none."""

    utterance: str
    score: float | None
    error: str | None


def score_files(
    inputs: Sequence[Input],
    predictor: Predictor,
    *,
    batch_size: int,
    journal: Path | None = None,
    decoders: int = 2,
    on_progress: Callable[[int], None] = lambda done: None,
) -> ScoreTable:
    """Score every input, in order.

    Args:
        inputs: what to score.
        predictor: the detector.
        batch_size: clips a forward pass. A batch always holds the same inputs, so a resumed run repeats the very
            numbers of an uninterrupted one.
        journal: finished batches are kept here, and a later call with the same model, inputs and batch size
            goes on from them; the caller deletes it when the answer is safe.
        decoders: threads that read ahead.
        on_progress: called with the number of inputs done.

    Returns:
        One row an input.
    """
    log = _Journal(journal, _fingerprint(inputs, predictor, batch_size))
    rows = log.rows[: len(log.rows) // batch_size * batch_size] if len(log.rows) < len(inputs) else log.rows
    log.start(rows)
    on_progress(len(rows))
    batches = [inputs[start : start + batch_size] for start in range(len(rows), len(inputs), batch_size)]
    with ThreadPoolExecutor(decoders) as pool:
        for batch, crops in _read_ahead(pool, batches, predictor):
            fresh = _score_batch(batch, crops, predictor)
            log.append(fresh)
            rows = rows + fresh
            on_progress(len(rows))
    frame = pl.DataFrame([(r.utterance, r.score, r.error) for r in rows], schema=SCORE_SCHEMA, orient="row")
    return ScoreTable(frame, dict(predictor.header))


_Crop = NDArray[np.float32] | AudioError


def _read_ahead(
    pool: ThreadPoolExecutor, batches: Sequence[Sequence[Input]], predictor: Predictor
) -> Iterator[tuple[Sequence[Input], list[_Crop]]]:
    """Decode the next batch while the model is busy with this one."""

    def read(item: Input) -> _Crop:
        try:
            return predictor.crop(load_16k(item.path))
        except AudioError as error:
            return error

    waiting = [pool.submit(read, item) for item in batches[0]] if batches else []
    for number, batch in enumerate(batches):
        following = batches[number + 1] if number + 1 < len(batches) else []
        ahead = [pool.submit(read, item) for item in following]
        yield batch, [future.result() for future in waiting]
        waiting = ahead


def _score_batch(batch: Sequence[Input], crops: Sequence[_Crop], predictor: Predictor) -> list[Row]:
    good = [crop for crop in crops if not isinstance(crop, AudioError)]
    scores = iter(predictor.score(good) if good else [])
    rows = []
    for item, crop in zip(batch, crops, strict=True):
        if isinstance(crop, AudioError):
            rows.append(Row(item.utterance, None, " ".join(str(crop).split())))
            continue
        score = float(next(scores))
        finite = bool(np.isfinite(score))
        rows.append(Row(item.utterance, score if finite else None, None if finite else f"the model answered {score}"))
    return rows


def _fingerprint(inputs: Sequence[Input], predictor: Predictor, batch_size: int) -> str:
    """What must be equal for a journal to be continued."""
    digest = hashlib.sha256(repr((predictor.header, batch_size)).encode())
    for item in inputs:
        digest.update(f"{item.utterance}\t{item.path}\n".encode())
    return digest.hexdigest()


class _Journal:
    """JSON lines: the fingerprint, then a row each. A line that was cut off by a kill is ignored."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.rows: list[Row] = []
        if path is not None and path.is_file():
            first, *rest = path.read_text().split("\n")[:-1] or [""]
            if first == json.dumps(fingerprint):
                self.rows = [Row(**json.loads(line)) for line in rest]

    def start(self, rows: Sequence[Row]) -> None:
        """Begin anew with the rows that are kept."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.fingerprint) + "\n")
            self.append(rows)

    def append(self, rows: Sequence[Row]) -> None:
        """Add a finished batch."""
        if self.path is not None:
            with self.path.open("a") as file:
                file.writelines(json.dumps(vars(row)) + "\n" for row in rows)
