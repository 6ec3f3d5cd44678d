"""A corpus of made sounds, small enough to train on in seconds: hum is bona fide, buzz is spoof."""

from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 16_000


def tone(generator: np.random.Generator, *, buzz: bool, duration_s: float) -> np.ndarray:
    """A noisy tone; a buzz is clipped, which gives it harmonics up to the top of the band."""
    time = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    hum = np.sin(2 * np.pi * generator.uniform(90, 250) * time)
    clean = np.clip(8 * hum, -1, 1) if buzz else hum
    return (0.3 * clean + 0.01 * generator.standard_normal(len(time))).astype(np.float32)


def write_folder_corpus(root: Path, clips: int = 8, duration_s: float = 0.6) -> Path:
    """`clips` of each class in train, dev and eval, as a folder pair."""
    for number, partition in enumerate(("train", "dev", "eval")):
        for index in range(clips):
            generator = np.random.default_rng([number, index])
            for label in ("bonafide", "spoof/buzz"):
                path = root / partition / label / f"{partition}{index}.flac"
                path.parent.mkdir(parents=True, exist_ok=True)
                sound = tone(generator, buzz=label != "bonafide", duration_s=duration_s)
                soundfile.write(path, sound, RATE_HZ)
    return root
