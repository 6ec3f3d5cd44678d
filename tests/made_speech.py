"""A folder of made sounds for pre-training: each clip is a few long tones, so that a gap tells what was in it."""

from pathlib import Path

import numpy as np
import soundfile

from stand_in import RATE_HZ

_TONES_HZ, _TONE_S = (180, 420, 900, 1900, 3500), 0.5


def write_speech(folder: Path, clips: int = 10, duration_s: float = 1.5) -> Path:
    """Write ``a/clip0.flac`` … and ``b/clip1.flac`` …, half of the clips in each folder."""
    for number in range(clips):
        random = np.random.default_rng(number)
        time = np.arange(round(_TONE_S * RATE_HZ)) / RATE_HZ
        tones = [np.sin(2 * np.pi * hz * time) for hz in random.choice(_TONES_HZ, round(duration_s / _TONE_S))]
        sound = 0.3 * np.concatenate(tones) + 0.003 * random.standard_normal(len(tones) * len(time))
        path = folder / "ab"[number % 2] / f"clip{number}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound, RATE_HZ)
    return folder
