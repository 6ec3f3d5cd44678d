"""A17: Codec 2, a sinusoidal codec for radio."""

import importlib
import sys

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.program import from_narrowband, run_program, to_narrowband

ENGINE = Engine("Codec 2", "LGPL-2.1; pycodec2: BSD-3-Clause", "pip install pycodec2==4.1.1", modules=("pycodec2",))

#: By bits a second, at 8 kHz: 30 ms in mode 700C, 20 ms in all others, where energy envelopes agree best.
DELAY_SAMPLES = {700: 240, 1200: 160, 1300: 160, 1400: 160, 1600: 160, 2400: 160, 3200: 160}


def codec2(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Pitch, voicing and a spectral envelope at 700 to 3,200 bit/s > a sum of harmonics; nothing above 4 kHz.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: draws the mode.

    Returns:
        Shape (samples,).

    Raises:
        AudioError: the codec failed.

    Source: Rowe (1997), Techniques for harmonic sinusoidal coding; Codec 2 in the modes 700C, 1200, 1300, 1400, 1600,
    2400 and 3200.
    """
    return codec2_at(int(rng.choice(list(DELAY_SAMPLES))), waveform)


def codec2_at(bits_per_s: int, waveform: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `codec2`, in one mode, a key of `DELAY_SAMPLES`."""
    # Its decoder draws phases from a state of the whole process that nothing resets: each clip gets a process anew.
    command = [sys.executable, "-m", __name__, str(bits_per_s)]
    decoded = run_program(ENGINE, command, stdin=to_narrowband(waveform).tobytes())
    return from_narrowband(np.frombuffer(decoded, "<i2"), DELAY_SAMPLES[bits_per_s], waveform)


def _through_codec(samples: NDArray[np.int16], bits_per_s: int) -> NDArray[np.int16]:
    """Whole frames, the last filled up with silence."""
    codec = importlib.import_module("pycodec2").Codec2(bits_per_s)
    # Two frames more than are full: the delay must not cut the end of the speech.
    num_frames = len(samples) // codec.samples_per_frame() + 2
    frames = np.zeros((num_frames, codec.samples_per_frame()), dtype=np.int16)
    frames.ravel()[: len(samples)] = samples
    return np.concatenate([codec.decode(codec.encode(frame)) for frame in frames])


if __name__ == "__main__":
    heard = np.frombuffer(sys.stdin.buffer.read(), "<i2")
    sys.stdout.buffer.write(_through_codec(heard, int(sys.argv[1])).tobytes())
