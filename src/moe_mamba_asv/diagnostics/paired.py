"""One detector, asked about the same clips before and after a change."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.diagnostics.drift import eer_shifts
from moe_mamba_asv.diagnostics.results.robustness import Rescored
from moe_mamba_asv.diagnostics.sample import Sample, Waveform, score_all
from moe_mamba_asv.errors import AudioError, ScoreError
from moe_mamba_asv.scoring.predictor import Predictor

_BATCH = 8
_NOT_FINITE = "a score that is not finite"


def rescore(
    predictor: Predictor,
    sample: Sample,
    scores: NDArray[np.float64],
    changed: Callable[[int], Waveform],
    rng: np.random.Generator,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> Rescored:
    """Change every clip, score it, and compare with its old score.

    A clip that cannot be changed, or of which nothing can be said any more, is counted and left out before and after.

    Args:
        predictor: the detector.
        sample: the unchanged clips.
        scores: theirs, (clips,).
        changed: a row of the sample as the changed clip; only a few are held at once.
        rng: of the bootstrap.
        on_clips: told of every batch's size, clips that fail included.

    Raises:
        ScoreError: no clip of a class got a score.
    """
    rows, after, failed = [], [], {}
    for start in range(0, len(scores), _BATCH):
        batch = range(start, min(start + _BATCH, len(scores)))
        made = _make(predictor, sample, batch, changed, failed)
        answers = score_all(predictor, list(made.values())) if made else np.zeros(0)
        for row, answer in zip(made, answers.tolist(), strict=True):
            if np.isfinite(answer):
                rows.append(row)
                after.append(answer)
            else:
                failed[sample.utterances[row]] = _NOT_FINITE
        on_clips(len(batch))
    kept = _rows(sample, rows)
    if not rows or kept.is_bonafide.all() or not kept.is_bonafide.any():
        # Of a change that spares no clip, one reason says more than a count.
        raise ScoreError(f"a class without scores; {next(iter(failed.values()), 'no clips')}", wanted="both classes")
    return _compare(kept, scores, scores[rows], np.array(after), failed, rng)


def _make(
    predictor: Predictor,
    sample: Sample,
    batch: Sequence[int],
    changed: Callable[[int], Waveform],
    failed: dict[str, str],
) -> dict[int, Waveform]:
    """What the model hears of changed clips, by row; the others are put among those that failed."""
    made = {}
    for row in batch:
        try:
            made[row] = predictor.crop(changed(row))
        except AudioError as error:
            failed[sample.utterances[row]] = str(error)
    return made


def _rows(sample: Sample, rows: list[int]) -> Sample:
    return replace(
        sample,
        utterances=tuple(sample.utterances[row] for row in rows),
        waveforms=tuple(sample.waveforms[row] for row in rows),
        is_bonafide=sample.is_bonafide[rows],
        attacks=tuple(sample.attacks[row] for row in rows),
    )


def _compare(
    kept: Sample,
    scores: NDArray[np.float64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    failed: dict[str, str],
    rng: np.random.Generator,
) -> Rescored:
    pooled, attacks = eer_shifts(kept, before, after, rng)
    moved = (after - before) / (float(scores.std()) or 1.0)
    return Rescored(
        n=len(after),
        failed=failed,
        eer=pooled,
        attacks=attacks,
        shift_bonafide=float(moved[kept.is_bonafide].mean()),
        shift_spoof=float(moved[~kept.is_bonafide].mean()),
    )
