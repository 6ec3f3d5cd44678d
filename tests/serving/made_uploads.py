"""Sounds as files, and what the calibration of the served model says."""

import io

import numpy as np
import soundfile

from stand_in import RATE_HZ, clip

SLOPE, OFFSET = 2.0, 0.5


def sound(seed: int = 0, form: str = "WAV", duration_s: float = 1.0) -> bytes:
    """A file's content."""
    written = io.BytesIO()
    samples = clip(np.random.default_rng(seed), spoof=seed % 2 == 1, duration_s=duration_s)
    soundfile.write(written, samples, RATE_HZ, format=form)
    return written.getvalue()
