"""From one recording to its trials: what a worker of a build does."""

import io
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.attacks.catalogue import ATTACKS
from moe_mamba_asv.corpora.minispoof.attacks.recording import Recording
from moe_mamba_asv.corpora.minispoof.finish import at_level, match, place, through_channel
from moe_mamba_asv.corpora.minispoof.plan import ClipPlan
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.types import Partition

#: Shorter recordings hold too little speech for an attack to show; of longer ones the first part is taken.
MIN_CLIP_S, MAX_CLIP_S = 1.0, 10.0
MAX_ATTENUATION_DB = 6.0


@dataclass(frozen=True)
class ClipOutcome:
    """What became of one recording.

    Attributes:
        built: number of files written now.
        reused: number of files that an earlier build had finished.
        failure: why the recording could not be used; None where it was.
    """

    built: int
    reused: int
    failure: str | None = None


def trial_path(out: Path, partition: Partition, utterance: str) -> Path:
    """Where a trial's sound lies in the built tree."""
    return out / f"minispoof_{partition}" / "flac" / f"{utterance}.flac"


def build_clip(plan: ClipPlan, out: Path, seed: int) -> ClipOutcome:
    """Make those trials of one recording that are not there yet; a file that is there is whole."""
    paths = {trial: trial_path(out, plan.partition, trial.utterance) for trial in plan.trials}
    missing = [trial for trial in plan.trials if not paths[trial].is_file()]
    if not missing:
        return ClipOutcome(0, len(paths))
    try:
        original = _load(plan.clip.path)
        sounds = {trial: _make(original, plan, trial.attack, seed) for trial in missing}
    except AudioError as error:
        return ClipOutcome(0, 0, str(error))
    for trial, sound in sounds.items():
        write_atomically(paths[trial], _flac(sound))
    return ClipOutcome(len(missing), len(paths) - len(missing))


def _load(path: Path) -> NDArray[np.float64]:
    waveform = load_16k(path)
    if len(waveform) < MIN_CLIP_S * SAMPLE_RATE_HZ:
        raise AudioError(f"{path} lasts {len(waveform) / SAMPLE_RATE_HZ:.2f} s", wanted=f"{MIN_CLIP_S} s or more")
    return at_level(waveform[: round(MAX_CLIP_S * SAMPLE_RATE_HZ)])


def _make(original: NDArray[np.float64], plan: ClipPlan, attack_id: str | None, seed: int) -> NDArray[np.int16]:
    # A generator of its own for every trial: neither order nor worker nor a resumed build changes its draws.
    rng = np.random.default_rng([seed, zlib.crc32(f"{attack_id} {plan.clip.utterance}".encode())])
    # What little is left of a difference in level between the classes drowns in this.
    gain = 10 ** (rng.uniform(-MAX_ATTENUATION_DB, 0) / 20)
    if attack_id is None:
        return through_channel(gain * original)
    attack = next(attack for attack in ATTACKS if attack.facts.id == attack_id)
    spoof = attack.synthesize(Recording(original, plan.clip.text, plan.others), rng)
    if attack.material == "text":
        return through_channel(gain * place(spoof, original, rng, whole=bool(plan.clip.text)))
    return through_channel(gain * match(spoof, original, rng))


def _flac(samples: NDArray[np.int16]) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is either absent or whole, whenever the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
