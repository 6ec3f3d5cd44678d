"""What the service answers of a long recording: how far it is, and what was found."""

from typing import Literal

from pydantic import ConfigDict, Field

from moe_mamba_asv.evaluation.base import Result
from moe_mamba_asv.scoring.long_score import LongScore
from moe_mamba_asv.serving.answers import Fault, ModelAnswer

#: Said with every answer for a long recording.
LONG_MEANING = (
    "higher = bona fide; evidence, not proof. mean: is the recording as a whole spoofed? lowest_mean: is a stretch of "
    "it? minimum: is anything in it? The last two fall with the length of a recording, also where all is bona fide, so "
    "compare them with those of bona fide recordings of its length. Windows without a vote were not heard."
)

State = Literal["queued", "running", "done", "failed"]

_ID = "pUV1yR3-x0mBvS8Qm2cXqgZk9wTnE4aF"
_WAITING = {
    "id": _ID,
    "state": "running",
    "progress": {"done_s": 812.0, "total_s": 3600.0},
    "address": f"/v1/jobs/{_ID}",
    "events": f"/v1/jobs/{_ID}/events",
    "kept_s": 900,
    "result": None,
    "error": None,
}
_WINDOW = {"start_s": 0.0, "end_s": 4.0375, "speech_share": 0.81, "score": 1.734, "no_vote": None}
_DONE = {
    **_WAITING,
    "state": "done",
    "progress": {"done_s": 6.0, "total_s": 6.0},
    "result": {
        "model": {
            "name": "lcnn",
            "recipe": "lcnn",
            "sha256": "9f2c…",
            "heard_samples": 64600,
            "selection": {"partition": "dev", "metric": "eer", "value": 0.012},
            "calibrated_on": None,
            "has_profile": False,
        },
        "versions": {"moe-mamba-asv": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
        "meaning": LONG_MEANING,
        "score": {
            "duration_s": 6.0,
            "window_s": 4.0375,
            "hop_s": 2.01875,
            "min_speech": 0.25,
            "speech_by_level": True,
            "windows": [
                _WINDOW,
                {**_WINDOW, "start_s": 1.9625, "end_s": 6.0, "speech_share": 0.1, "score": None, "no_vote": "silence"},
            ],
            "pooled": {
                "mean": 1.734,
                "lowest_mean": 1.734,
                "lowest_count": 1,
                "minimum": 1.734,
                "minimum_at_s": 0.0,
            },
        },
    },
}


class Progress(Result):
    """How far a job is.

    Attributes:
        done_s: seconds of the recording that are scored.
        total_s: its length; None until it was read once.
    """

    done_s: float
    total_s: float | None


class LongAnswer(Result):
    """What was found in a long recording, and which model found it.

    Attributes:
        model: that was asked.
        versions: of what computed it.
        meaning: what the figures mean.
        score: the windows, and their pooled answers; ``pooled`` is None where no window holds enough speech.
    """

    model: ModelAnswer
    versions: dict[str, str]
    meaning: str = LONG_MEANING
    score: LongScore


class JobAnswer(Result):
    """One long recording.

    Attributes:
        id: of the job; who does not know it cannot ask for it.
        state: ``queued``, ``running``, ``done`` or ``failed``.
        progress: in seconds of the recording.
        address: where this can be asked for again, or deleted.
        events: where it is told as it changes.
        kept_s: so long after its end the answer is kept.
        result: where it is done.
        error: where it failed.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_DONE, _WAITING]})

    id: str
    state: State = "queued"
    progress: Progress = Field(default_factory=lambda: Progress(done_s=0.0, total_s=None))
    address: str
    events: str
    kept_s: float
    result: LongAnswer | None = None
    error: Fault | None = None
