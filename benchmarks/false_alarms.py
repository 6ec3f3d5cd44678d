"""How often does a calibrated detector call real speech spoofed? By source, as it is and over the telephone.

Each source is a folder of real speech, from which so many recordings are drawn; a verdict is that of `mma score FILE`,
at a prior of one half. The telephone is condition C3 of ASVspoof 2021 LA: its band, and two G.711 links. Intervals are
Wilson's, 95 %.
Run: `python benchmarks/false_alarms.py MODEL NAME=FOLDER [NAME=FOLDER …]`; MODEL is a file, a run or ``shipped``.
"""

import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from moe_mamba_asv.audio.augment.augmentation import augment
from moe_mamba_asv.audio.augment.conditions import condition
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.errors import AudioError
from moe_mamba_asv.evaluation.calibration.calibration import Calibration, calibration_beside
from moe_mamba_asv.models.hub import find_model
from moe_mamba_asv.scoring.answer import verdict_of
from moe_mamba_asv.scoring.predictor import Predictor

CLIPS, SHORTEST_S, SECONDS_KEPT = 80, 1.0, 10
ENDINGS = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a")
PRIOR, Z = 0.5, 1.96


def drawn(folder: Path) -> list[np.ndarray]:
    """Recordings of a folder, long enough to be judged, in an order that only their names decide."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
    random.Random(0).shuffle(files)
    waveforms: list[np.ndarray] = []
    for file in files:
        try:
            waveform = load_16k(file)
        except AudioError:
            continue
        if len(waveform) >= SHORTEST_S * 16_000:
            waveforms.append(waveform[: SECONDS_KEPT * 16_000])
        if len(waveforms) == CLIPS:
            break
    return waveforms


def verdicts(predictor: Predictor, calibration: Calibration, waveforms: list[np.ndarray]) -> Counter[str]:
    """How often each verdict was given."""
    scores = [float(predictor.score([predictor.crop(waveform)])[0]) for waveform in waveforms]
    return Counter(verdict_of(float(calibration.probability(score, PRIOR))) for score in scores)


def rate(count: int, total: int) -> str:
    """A share with its interval."""
    share, square = count / total, Z**2 / total
    centre = (share + square / 2) / (1 + square)
    half = np.sqrt(share * (1 - share) / total + square / total / 4) * Z / (1 + square)
    return f"{share:.0%} [{max(0.0, centre - half):.0%}, {centre + half:.0%}]"


def main() -> None:
    """Print a row for each source and channel."""
    path = find_model(sys.argv[1])
    calibration = calibration_beside(path)
    if calibration is None:
        raise SystemExit(f"{path} has no calibration; mma calibrate makes one")
    predictor, telephone = Predictor(path), condition("la", "C3")
    print("| source | channel | recordings | spoof | undecided |\n|---|---|---|---|---|")
    for name, folder in (word.split("=", 1) for word in sys.argv[2:]):
        plain = drawn(Path(folder))
        called = [augment(waveform, telephone, np.random.default_rng(0)) for waveform in plain]
        for channel, waveforms in (("as it is", plain), ("telephone", called)):
            given, total = verdicts(predictor, calibration, waveforms), len(waveforms)
            rates = [rate(given[verdict], total) for verdict in ("spoof", "undecided")]
            print(f"| {name} | {channel} | {total} | {' | '.join(rates)} |")


if __name__ == "__main__":
    main()
