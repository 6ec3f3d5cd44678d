"""A corpus of made sounds, small enough to train on in seconds: tones are bona fide, clipped tones spoof."""

from pathlib import Path

import numpy as np
import soundfile

from stand_in import RATE_HZ, clip


def write_folder_corpus(root: Path, clips: int = 8, duration_s: float = 0.6) -> Path:
    """`clips` of each class in train, dev and eval, as a folder pair."""
    for number, partition in enumerate(("train", "dev", "eval")):
        for index in range(clips):
            generator = np.random.default_rng([number, index])
            for label in ("bonafide", "spoof/buzz"):
                path = root / partition / label / f"{partition}{index}.flac"
                path.parent.mkdir(parents=True, exist_ok=True)
                sound = clip(generator, spoof=label != "bonafide", duration_s=duration_s)
                soundfile.write(path, sound, RATE_HZ)
    return root
