"""All diagnoses of one detector, those that apply to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv import __version__
from moe_mamba_asv.diagnostics.layers import diagnose_layers
from moe_mamba_asv.diagnostics.results.diagnosis import Diagnosis, Kind, SampleFacts, ScoresResult
from moe_mamba_asv.diagnostics.results.finding import by_rule
from moe_mamba_asv.diagnostics.robustness import diagnose_robustness
from moe_mamba_asv.diagnostics.router import diagnose_router
from moe_mamba_asv.diagnostics.sample import Sample, score_all
from moe_mamba_asv.diagnostics.shortcuts import diagnose_shortcuts
from moe_mamba_asv.diagnostics.streams import diagnose_shift, diagnose_streams
from moe_mamba_asv.diagnostics.training import diagnose_training
from moe_mamba_asv.errors import ConfigError, MmaError
from moe_mamba_asv.evaluation.metrics.bootstrap import eer_interval
from moe_mamba_asv.evaluation.metrics.det import det_steps
from moe_mamba_asv.evaluation.metrics.eer import eer_of_steps
from moe_mamba_asv.evaluation.result import Counts
from moe_mamba_asv.scoring.predictor import Predictor

#: From here on scores hardly tell the classes apart.
CHANCE_EER = 0.4
_REPLICATES = 1000

OnClips = Callable[[str, int], None]


@dataclass(frozen=True)
class Subject:
    """What is diagnosed.

    Attributes:
        path: model file.
        predictor: of it.
        run: its run folder; None where there is none.
        before: an earlier checkpoint to compare with.
    """

    path: Path
    predictor: Predictor
    run: Path | None = None
    before: Predictor | None = None


def diagnose(
    subject: Subject,
    sample: Sample | None,
    kinds: Sequence[Kind],
    *,
    seed: int = 0,
    command: str = "",
    on_clips: OnClips = lambda kind, clips: None,
) -> Diagnosis:
    """Diagnose; what does not apply to this model is listed with its reason.

    Args:
        subject: the detector.
        sample: clips to hear; may be None where no kind needs any.
        kinds: what to look for.
        seed: of every interval and every made noise.
        command: what was typed.
        on_clips: told the kind and the size of every batch that was heard.

    Raises:
        ConfigError: a kind needs clips and there is no sample.
    """
    looking = _Looking(subject, sample, seed, on_clips)
    found, not_done = {}, {}
    for kind in kinds:
        try:
            found |= looking.look(kind)
        except ConfigError as error:
            not_done[kind] = str(error)
    return Diagnosis(
        system=subject.predictor.checkpoint.recipe,
        model=subject.path.name,
        model_sha256=subject.predictor.header["model_sha256"],
        sample=None if sample is None else _facts(sample, seed),
        not_done=not_done,
        version=__version__,
        command=command,
        **found,
    )


class _Looking:
    """One look after the other, at the same scores of the same clips."""

    def __init__(self, subject: Subject, sample: Sample | None, seed: int, on_clips: OnClips) -> None:
        self.subject, self._sample, self._seed, self._on_clips = subject, sample, seed, on_clips
        self._scores: dict[int, NDArray[np.float64]] = {}

    @property
    def sample(self) -> Sample:
        if self._sample is None:
            raise ConfigError("no sound to hear", remedy="--corpus with --root")
        return self._sample

    def rng(self) -> np.random.Generator:
        """Every look begins anew, so that leaving one out changes no other."""
        return np.random.default_rng(self._seed)

    def scores(self, predictor: Predictor) -> NDArray[np.float64]:
        """Of the sample as it is, made once."""
        if id(predictor) not in self._scores:
            heard = score_all(predictor, self.sample.waveforms, on_clips=self._counted("scores"))
            if not np.isfinite(heard).all():
                bad = int((~np.isfinite(heard)).sum())
                raise ConfigError(f"{bad} of {heard.size} scores are not finite", remedy="another checkpoint")
            self._scores[id(predictor)] = heard
        return self._scores[id(predictor)]

    def look(self, kind: Kind) -> dict[str, object]:
        """What one kind found, by its field of `Diagnosis`."""
        predictor = self.subject.predictor
        match kind:
            case "training":
                return {"training": self._training()}
            case "layers":
                return {"layers": self._layers()}
            case "scores":
                return {"scores": judge_scores(self.sample, self.scores(predictor), self.rng())}
            case "streams":
                return self._streams()
            case "router":
                return {"router": diagnose_router(predictor, self.sample, self._counted("router"))}
            case "shortcuts":
                given = (predictor, self.sample, self.scores(predictor), self.rng())
                return {"shortcuts": diagnose_shortcuts(*given, on_clips=self._counted("shortcuts"))}
            case "robustness":
                given = (predictor, self.sample, self.scores(predictor), self.rng())
                return {"robustness": diagnose_robustness(*given, on_clips=self._counted("robustness"))}

    def _counted(self, kind: Kind) -> Callable[[int], None]:
        return lambda clips: self._on_clips(kind, clips)

    def _training(self) -> object:
        if self.subject.run is None:
            raise ConfigError("a model without a run folder", wanted="the folder that mma train wrote")
        try:
            return diagnose_training(self.subject.run)
        except MmaError as error:
            raise ConfigError(str(error)) from error

    def _layers(self) -> object:
        before = self.subject.before
        found = diagnose_layers(self.subject.predictor.model, None if before is None else before.model)
        if not found.weights and not found.banks:
            raise ConfigError("a model without learned layer weights or sinc filters", wanted="one of them")
        return found

    def _streams(self) -> dict[str, object]:
        predictor, before = self.subject.predictor, self.subject.before
        balance = diagnose_streams(predictor, self.sample, self.rng(), self._counted("streams"))
        if before is None:
            return {"streams": balance}
        earlier = diagnose_streams(before, self.sample, self.rng(), self._counted("streams"))
        shift = diagnose_shift(
            (before.checkpoint.recipe, earlier, self.scores(before)),
            (predictor.checkpoint.recipe, balance, self.scores(predictor)),
            self.sample,
            self.rng(),
        )
        return {"streams": balance, "shift": shift}


def judge_scores(sample: Sample, scores: NDArray[np.float64], rng: np.random.Generator) -> ScoresResult:
    """Whether scores point the right way at all.

    Args:
        sample: the clips.
        scores: (clips,).
        rng: of the bootstrap.
    """
    steps = det_steps(scores[sample.is_bonafide], scores[~sample.is_bonafide])
    eer = eer_of_steps(steps).value
    ci = eer_interval(steps, replicates=_REPLICATES, rng=rng, confidence=0.95)
    turned = by_rule("reversed_scores", "eer", eer, limit=0.5, no_effect=0.5, ci=ci, n=scores.size)
    # Reversed scores tell the classes apart well, only the wrong way round.
    told = min(eer, 1 - eer)
    chance = by_rule("chance_scores", "eer_either_way", told, limit=CHANCE_EER, n=scores.size)
    return ScoresResult(eer=eer, eer_ci=ci, findings=(turned, chance))


def _facts(sample: Sample, seed: int) -> SampleFacts:
    bonafide = int(sample.is_bonafide.sum())
    return SampleFacts(
        corpus=sample.corpus,
        partition=sample.partition,
        counts=Counts(bonafide=bonafide, spoof=len(sample.utterances) - bonafide),
        attacks={name: len(sample.rows_of(name)) for name in sample.attack_names},
        failed=sample.failed,
        seed=seed,
    )
