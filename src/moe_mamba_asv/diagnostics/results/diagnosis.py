"""All that was diagnosed of one detector: the file that `mma diagnose` writes and `mma report` reads."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.diagnostics.results.layers import LayersResult
from moe_mamba_asv.diagnostics.results.robustness import RobustnessResult
from moe_mamba_asv.diagnostics.results.router import RouterResult
from moe_mamba_asv.diagnostics.results.shortcuts import ShortcutResult
from moe_mamba_asv.diagnostics.results.streams import StreamsResult, StreamsShift
from moe_mamba_asv.diagnostics.results.training import TrainingResult
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.evaluation.base import Result, misfit
from moe_mamba_asv.evaluation.result import Counts

Kind = Literal["scores", "streams", "router", "layers", "shortcuts", "robustness", "training"]
#: In the order of cost.
KINDS: tuple[Kind, ...] = ("training", "layers", "scores", "streams", "router", "shortcuts", "robustness")
#: Its name in a run folder.
FILE_NAME = "diagnosis.json"


class ScoresResult(Result):
    """The scores of the sample, before anything was changed.

    Attributes:
        eer: of the sample, a fraction.
        eer_ci: its 95 % interval over clips.
        findings: scores that point the wrong way, or nowhere.
    """

    eer: float
    eer_ci: tuple[float, float]
    findings: tuple[Finding, ...]


class SampleFacts(Result):
    """What was heard.

    Attributes:
        corpus: the corpus reader's name.
        partition: None where the corpus does not tell.
        counts: clips by class.
        attacks: spoofed clips by attack.
        failed: reason by utterance, of clips that were left out.
        seed: of the draw and of every interval.
    """

    corpus: str
    partition: str | None
    counts: Counts
    attacks: dict[str, int]
    failed: dict[str, str]
    seed: int


class Diagnosis(Result):
    """One detector, diagnosed.

    Attributes:
        system: the recipe's name.
        model: the model file's name.
        model_sha256: digest of the model file.
        sample: what was heard; None where nothing had to be.
        scores: None where not asked for, as all that follow.
        streams: balance of two streams.
        shift: against an earlier checkpoint.
        router: of a mixture of experts.
        layers: weights and filters.
        shortcuts: what is no trace of a fake.
        robustness: under changed sound.
        training: records of the run.
        not_done: reason by kind, of what was asked for and does not apply.
        version: of this package.
        command: what was typed, paths cut to names.
    """

    system: str
    model: str
    model_sha256: str
    sample: SampleFacts | None = None
    scores: ScoresResult | None = None
    streams: StreamsResult | None = None
    shift: StreamsShift | None = None
    router: RouterResult | None = None
    layers: LayersResult | None = None
    shortcuts: ShortcutResult | None = None
    robustness: RobustnessResult | None = None
    training: TrainingResult | None = None
    not_done: dict[str, str] = Field(default_factory=dict)
    version: str
    command: str

    def findings(self) -> list[Finding]:
        """Of all kinds."""
        parts = (self.scores, self.streams, self.shift, self.router, self.layers, self.shortcuts, self.robustness)
        return [finding for part in (self.training, *parts) if part is not None for finding in part.findings]


def read_diagnosis(path: Path) -> Diagnosis:
    """Read what `mma diagnose` wrote.

    Raises:
        ConfigError: not such a file, or of another version; names what does not fit.
    """
    try:
        return Diagnosis.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise ConfigError(
            misfit(path, error),
            wanted="a file that mma diagnose wrote",
            remedy="mma diagnose again, with this version",
        ) from error
