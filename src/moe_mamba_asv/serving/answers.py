"""What the service answers: figures, what they mean, and which model gave them."""

from pydantic import ConfigDict, Field

from moe_mamba_asv.evaluation.base import Result
from moe_mamba_asv.scoring.answer import LEAST_ODDS, Verdict

#: Said with every score.
MEANING = (
    "higher = bona fide; evidence, not proof. Scores of different models have different scales; only a calibrated "
    "answer has a probability, and that holds for recordings like those that it was learned on."
)

_EXAMPLE = {
    "model": {
        "name": "aasist",
        "recipe": "aasist",
        "sha256": "9f2c…",
        "heard_samples": 64600,
        "selection": {"partition": "dev", "metric": "eer", "value": 0.012, "step": 4200, "corpus": "asvspoof2019-la"},
        "calibrated_on": "asvspoof2019-la dev",
        "has_profile": True,
    },
    "versions": {"moe-mamba-asv": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
    "meaning": MEANING,
    "files": [
        {
            "index": 0,
            "name": "call.m4a",
            "result": {
                "score": 1.734,
                "duration_s": 6.2,
                "heard_s": 4.0375,
                "calibrated": {
                    "llr": 3.1,
                    "probability": 0.957,
                    "prior": 0.5,
                    "verdict": "bona fide",
                    "least_odds": LEAST_ODDS,
                },
                "unlike": ["bandwidth_hz 3406 Hz, usual 5200 to 8100"],
            },
            "error": None,
        },
        {
            "index": 1,
            "name": "notes.wav",
            "result": None,
            "error": {
                "got": "sound of 0 bytes is empty (0 bytes)",
                "wanted": "a sound file",
                "remedy": "fetch or write the file again",
            },
        },
    ],
}


class Calibrated(Result):
    """What a score is worth, by the calibration beside the model.

    Attributes:
        llr: ``ln(p(audio | bona fide) / p(audio | spoof))``, nats.
        probability: of bona fide, given the prior.
        prior: share of bona fide in all audio that was assumed; nothing in the recording tells it.
        verdict: what the probability decides.
        least_odds: below which, either way, nothing is decided.
    """

    llr: float
    probability: float
    prior: float
    verdict: Verdict
    least_odds: float = LEAST_ODDS


class Heard(Result):
    """What the model says of one recording.

    Attributes:
        score: higher = bona fide.
        duration_s: of the recording.
        heard_s: its first seconds, on which the score rests; what comes after was not heard.
        calibrated: None where the model has no calibration.
        unlike: how the recording is unlike those that the model was judged on, in words; empty where it is like them,
            None where the model has no profile.
    """

    score: float
    duration_s: float
    heard_s: float
    calibrated: Calibrated | None
    unlike: tuple[str, ...] | None


class Fault(Result):
    """Why a recording has no score."""

    got: str
    wanted: str
    remedy: str


class FileAnswer(Result):
    """One file's answer: a result or an error.

    Attributes:
        index: among the files that were sent, from 0.
        name: as the client called it.
        result: None where there is an error.
        error: None where there is a result.
    """

    index: int
    name: str
    result: Heard | None
    error: Fault | None


class ModelAnswer(Result):
    """A model that can be asked.

    Attributes:
        name: by which it is asked for.
        recipe: what was trained.
        sha256: of the model file.
        heard_samples: at 16 kHz, of the start of a recording; a shorter one is repeated.
        selection: how its weights were chosen, and on which partition.
        calibrated_on: corpus and partition of its calibration, or None.
        has_profile: whether it can say that a recording is unlike those that it was judged on.
    """

    name: str
    recipe: str
    sha256: str
    heard_samples: int
    selection: dict[str, str | float | int | None]
    calibrated_on: str | None
    has_profile: bool


class ScoreAnswer(Result):
    """Answers to all files of a request, in their order."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    model: ModelAnswer
    versions: dict[str, str]
    meaning: str = MEANING
    files: tuple[FileAnswer, ...]


class Models(Result):
    """What can be asked for; the first is asked where a request names none."""

    models: tuple[ModelAnswer, ...]
    versions: dict[str, str]


class Health(Result):
    """Whether the service lives, or is ready."""

    status: str = Field(examples=["ok"])
