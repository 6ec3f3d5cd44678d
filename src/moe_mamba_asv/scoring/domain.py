"""Is this recording like those that the detector was judged on? If not, its answer is worth less, and that is said.

A profile holds, of clips that the detector knows the kind of (dev), the usual range of what can be measured of a
recording, and where their embeddings lie. It sits beside the model file. Neither looks at words, so a language alone
makes nothing unlike.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from moe_mamba_asv.audio.facts import measure, noise_floor_db
from moe_mamba_asv.errors import AudioError, CheckpointError, CorpusError
from moe_mamba_asv.evaluation.base import Result, misfit

if TYPE_CHECKING:
    from moe_mamba_asv.scoring.predictor import Predictor

#: Facts of a recording that have a usual range, with the unit of each.
FACTS = {
    "duration_s": "s",
    "level_dbfs": "dBFS",
    "bandwidth_hz": "Hz",
    "noise_floor_db": "dB",
    "leading_silence_s": "s",
    "trailing_silence_s": "s",
}
#: Share of the profile's clips that lies below a range, and above it.
_TAIL = 0.005
#: A range is widened by this part of its width: the extremes of a few hundred clips are not those of all.
_MARGIN = 0.1
#: Directions of the embedding that count; more would be estimated from too few clips.
_DIRECTIONS = 16
#: With fewer clips neither a range nor a direction can be told.
FEWEST_CLIPS = 40
_BATCH = 8


class Range(Result):
    """Where a fact usually lies, in its own unit."""

    low: float
    high: float


class Cloud(Result):
    """Where embeddings usually lie.

    Attributes:
        mean: (width,).
        directions: (directions, width), orthonormal, those along which clips differ the most.
        deviations: (directions,), standard deviation along each.
        distances: ascending, of the profile's own clips; see `Profile.distance`.
    """

    mean: tuple[float, ...]
    directions: tuple[tuple[float, ...], ...]
    deviations: tuple[float, ...]
    distances: tuple[float, ...]


class UsualFacts(Result):
    """What can be asked of a recording without the model.

    Attributes:
        corpus: the corpus reader's name.
        partition: of it.
        clips: that were measured, of both classes.
        facts: usual range by fact.
    """

    corpus: str
    partition: str
    clips: int
    facts: dict[str, Range]

    def unlike_facts(self, waveform: NDArray[np.float32]) -> list[str]:
        """In words, which facts of a recording are unusual.

        Args:
            waveform: whole, mono, 16 kHz.
        """
        return [
            f"{name} {value:.4g} {FACTS[name]}, usual {self.facts[name].low:.4g} to {self.facts[name].high:.4g}"
            for name, value in facts_of(waveform).items()
            if name in self.facts and not self.facts[name].low <= value <= self.facts[name].high
        ]


class Profile(UsualFacts):
    """What a detector knows the kind of.

    Attributes:
        model_sha256: of the model file that the embeddings are of.
        cloud: of the embeddings.
    """

    model_sha256: str
    cloud: Cloud

    @property
    def usual_facts(self) -> UsualFacts:
        """Without the embeddings, for who cannot ask for any."""
        return UsualFacts(corpus=self.corpus, partition=self.partition, clips=self.clips, facts=self.facts)

    def distance(self, embedding: NDArray[np.floating]) -> float:
        """How far an embedding (width,) is from the cloud: Mahalanobis along its directions, over their square root.

        About 1 for a clip of the profile's kind.
        """
        centred = np.asarray(embedding, dtype=np.float64) - np.array(self.cloud.mean)
        along = np.array(self.cloud.directions) @ centred / np.array(self.cloud.deviations)
        return float(np.sqrt(np.mean(along**2)))

    def unlike(self, waveform: NDArray[np.float32], embedding: NDArray[np.floating]) -> list[str]:
        """In words, how a recording is unlike the profile's clips; empty where it is like them.

        Args:
            waveform: whole, mono, 16 kHz.
            embedding: (width,), that the model made of it.
        """
        reasons = self.unlike_facts(waveform)
        distance = self.distance(embedding)
        if distance > self.cloud.distances[-1]:
            reasons.append(f"farther from the clips of {self.corpus} than any of them: distance {distance:.3g}")
        return reasons


def facts_of(waveform: NDArray[np.float32]) -> dict[str, float]:
    """What can be measured of a recording, by the names of `FACTS`."""
    found = asdict(measure(waveform)) | {"noise_floor_db": noise_floor_db(waveform)}
    return {name: float(found[name]) for name in FACTS}


def make_profile(
    predictor: "Predictor",
    waveforms: Sequence[NDArray[np.float32]],
    *,
    corpus: str,
    partition: str,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> Profile:
    """Measure clips.

    Args:
        predictor: the detector.
        waveforms: of both classes, whole, mono, 16 kHz; `FEWEST_CLIPS` or more.
        corpus: the corpus reader's name.
        partition: of it; never eval, which must not shape an answer.
        on_clips: told of every batch's size.

    Raises:
        CorpusError: too few clips, or clips of eval.
        AudioError: a clip is silent.
    """
    if partition == "eval":
        raise CorpusError("a profile of eval", wanted="dev or train", remedy="--partition dev")
    if len(waveforms) < FEWEST_CLIPS:
        raise CorpusError(f"{len(waveforms)} clips for a profile", wanted=f"{FEWEST_CLIPS} or more")
    embeddings = []
    for start in range(0, len(waveforms), _BATCH):
        batch = waveforms[start : start + _BATCH]
        embeddings.append(embed(predictor, batch))
        on_clips(len(batch))
    facts = [facts_of(waveform) for waveform in waveforms]
    return Profile(
        model_sha256=predictor.header["model_sha256"],
        corpus=corpus,
        partition=partition,
        clips=len(waveforms),
        facts={name: _range(np.array([of[name] for of in facts])) for name in FACTS},
        cloud=_cloud(np.concatenate(embeddings).astype(np.float64)),
    )


def embed(predictor: "Predictor", waveforms: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Embeddings (clips, width) of waveforms, each cropped as the model wants it."""
    import torch  # here: the facts of a recording are also asked for where it is not installed

    crops = np.stack([predictor.crop(waveform) for waveform in waveforms])
    with torch.inference_mode():
        return predictor.model(torch.from_numpy(crops).to(predictor.device)).embedding.float().cpu().numpy()


def profile_path(model: Path) -> Path:
    """Where the profile of a model file lies: ``best.profile.json`` beside ``best.safetensors``."""
    return model.with_name(f"{model.stem}.profile.json")


def profile_beside(model: Path, sha256: str) -> Profile | None:
    """The profile beside a model file; None where there is none.

    Args:
        model: the file.
        sha256: of it.

    Raises:
        CheckpointError: a profile of another model, or a file that is none.
    """
    path = profile_path(model)
    if not path.is_file():
        return None
    try:
        profile = Profile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CheckpointError(misfit(path, error), remedy="mma profile again") from error
    if profile.model_sha256 != sha256:
        raise CheckpointError(
            f"{path} is of another model", wanted=f"sha256 {sha256[:12]}…", remedy="mma profile again"
        )
    return profile


def _range(values: NDArray[np.float64]) -> Range:
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    margin = _MARGIN * (high - low)
    return Range(low=float(low - margin), high=float(high + margin))


def _cloud(embeddings: NDArray[np.float64]) -> Cloud:
    mean = embeddings.mean(axis=0)
    _, sizes, directions = np.linalg.svd(embeddings - mean, full_matrices=False)
    deviations = sizes / np.sqrt(len(embeddings) - 1)
    # A direction along which nothing moves would make every clip infinitely far.
    kept = np.flatnonzero(deviations > 1e-6 * max(deviations[0], 1e-12))[:_DIRECTIONS]
    if not kept.size:
        raise AudioError("embeddings that are all the same", remedy="another model")
    along = (embeddings - mean) @ directions[kept].T / deviations[kept]
    return Cloud(
        mean=tuple(mean.tolist()),
        directions=tuple(tuple(row) for row in directions[kept].tolist()),
        deviations=tuple(deviations[kept].tolist()),
        distances=tuple(np.sort(np.sqrt(np.mean(along**2, axis=1))).tolist()),
    )
