"""A calibration meets a score file: what every score means stands beside it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.errors import ScoreError
from moe_mamba_asv.evaluation.calibration.calibration import Calibration
from moe_mamba_asv.scores import ScoreTable

#: Share of bona fide audio where nobody states one.
DEFAULT_PRIOR = 0.5


def calibrate_table(table: ScoreTable, calibration: Calibration, *, prior: float) -> ScoreTable:
    """Add the log-likelihood ratio ``llr`` (nats) and ``probability`` (of bona fide) to every score.

    The scores stay what they are; the header says which calibration it was, what taught it and which prior was taken.

    Args:
        table: scores of the system that the calibration was learned for; failed rows get nulls.
        calibration: what `learn_calibration` answers.
        prior: share of bona fide audio before anything was heard.

    Raises:
        ConfigError: a prior outside (0, 1).
        ScoreError: the calibration was learned on scores of other weights; a score is not finite.
    """
    digest = table.header.get("model_sha256", "")
    if digest and calibration.model_sha256 not in ("", digest):
        raise ScoreError(
            f"a calibration learned on scores of a model with sha256 {calibration.model_sha256[:12]}…",
            wanted=f"scores of {digest[:12]}…, as here",
            remedy="score dev with this model and run `mma calibrate` again",
        )
    scores = table.columns["score"]
    given = [score for score in scores if score is not None]
    columns = {
        **table.columns,
        "llr": _beside(scores, calibration.llr(given)),
        "probability": _beside(scores, calibration.probability(given, prior)),
    }
    header = {
        **table.header,
        "calibration": calibration.kind,
        "calibrated_on": f"{calibration.corpus} {calibration.partition}",
        "prior": f"{prior}",
    }
    return ScoreTable(columns, header, table.trials)


def _beside(scores: Sequence[float | None], values: NDArray[np.float64]) -> list[float | None]:
    """One value for each score that there is, None for each that there is not."""
    remaining = iter(values.tolist())
    return [None if score is None else next(remaining) for score in scores]
