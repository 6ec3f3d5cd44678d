"""Score many files: in batches, resumable, a bad file listed and never in the way of the rest."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.scores.table import ScoreTable
from moe_mamba_asv.scoring.inputs import Input
from moe_mamba_asv.scoring.journal import Journal, Row, fingerprint, reason_of, table_of
from moe_mamba_asv.scoring.scorer import Scorer


def score_files(
    inputs: Sequence[Input],
    predictor: Scorer,
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
    log = Journal(journal, fingerprint(inputs, predictor.header, batch_size))
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
    return table_of(rows, predictor.header)


_Crop = NDArray[np.float32] | AudioError


def _read_ahead(
    pool: ThreadPoolExecutor, batches: Sequence[Sequence[Input]], predictor: Scorer
) -> Iterator[tuple[Sequence[Input], list[_Crop]]]:
    """Decode the next batch while the model is busy with this one."""

    def read(item: Input) -> _Crop:
        return _read(item, predictor)

    waiting = [pool.submit(read, item) for item in batches[0]] if batches else []
    for number, batch in enumerate(batches):
        following = batches[number + 1] if number + 1 < len(batches) else []
        ahead = [pool.submit(read, item) for item in following]
        yield batch, [future.result() for future in waiting]
        waiting = ahead


def score_batch(batch: Sequence[Input], predictor: Scorer) -> list[Row]:
    """Read and score a batch of inputs, one row each."""
    return _score_batch(batch, [_read(item, predictor) for item in batch], predictor)


def _read(item: Input, predictor: Scorer) -> _Crop:
    try:
        return predictor.crop(load_16k(item.content()))
    except AudioError as error:
        return error


def _score_batch(batch: Sequence[Input], crops: Sequence[_Crop], predictor: Scorer) -> list[Row]:
    good = [crop for crop in crops if not isinstance(crop, AudioError)]
    scores = iter(predictor.score(good) if good else [])
    rows = []
    for item, crop in zip(batch, crops, strict=True):
        if isinstance(crop, AudioError):
            rows.append(Row(item.utterance, None, reason_of(crop)))
            continue
        score = float(next(scores))
        finite = bool(np.isfinite(score))
        rows.append(Row(item.utterance, score if finite else None, None if finite else f"the model answered {score}"))
    return rows
