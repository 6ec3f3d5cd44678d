"""Long recordings with something planted at known seconds, a detector that hears it, and files that only PyAV reads."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile

from moe_mamba_asv.errors import AudioError

RATE_HZ = 16_000


class Stand:
    """Hears a high tone, which stands for spoofed speech: the score falls with its share of the power."""

    num_samples = 4 * RATE_HZ

    def __init__(self) -> None:
        self.batches: list[int] = []

    def crop(self, waveform: np.ndarray) -> np.ndarray:
        if not waveform.any():
            raise AudioError("digital silence")
        return np.resize(waveform, self.num_samples)

    def score(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        self.batches.append(len(crops))
        power = np.abs(np.fft.rfft(np.stack(crops))) ** 2
        high = power[:, 4 * 5_000 :].sum(1) / power.sum(1)
        return (1 - 2 * high).astype(np.float32)


def second(number: int, *, spoof: bool) -> np.ndarray:
    """A second of syllables on a low tone, or on a high one."""
    time = np.arange(RATE_HZ) / RATE_HZ
    syllables = np.where(np.arange(RATE_HZ) % 4_000 < 3_200, 1.0, 0.02)
    noise = 1e-3 * np.random.default_rng(number).standard_normal(RATE_HZ)
    return 0.2 * syllables * np.sin(2 * np.pi * (6_000 if spoof else 300) * time) + noise


def write_recording(path: Path, seconds: int, *, spoofed: range = range(0), silent: range = range(0)) -> Path:
    """Write it second by second, so that making it takes no memory."""
    with soundfile.SoundFile(path, "w", RATE_HZ, 1) as file:
        for number in range(seconds):
            quiet = 1e-3 * np.random.default_rng(number).standard_normal(RATE_HZ)
            file.write(quiet if number in silent else second(number, spoof=number in spoofed))
    return path


def encode_aac(path: Path, samples: np.ndarray, rate_hz: int) -> Path:
    """Write M4A, Matroska … by the ending; samples of shape (samples,)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32_767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
