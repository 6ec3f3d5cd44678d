"""Engines that are programs: bytes in, sound out, and what they said when they failed."""

import io
import subprocess
import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ, resample
from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.errors import AudioError

_TIMEOUT_S = 120
_NARROWBAND_HZ = 8_000
_TYPEWRITER = str.maketrans("‘’“”–—", "''\"\"--")


def run_program(engine: Engine, command: Sequence[str], *, stdin: bytes = b"") -> bytes:
    """What a program writes to its standard output.

    Raises:
        AudioError: it is not installed, failed, or took longer than two minutes.
    """
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=_TIMEOUT_S, check=True)
    except FileNotFoundError as error:
        raise AudioError(f"no program {command[0]}", wanted=engine.name, remedy=engine.install) from error
    except subprocess.TimeoutExpired as error:
        raise AudioError(f"{engine.name} did not end", wanted=f"an end within {_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()[-500:]
        raise AudioError(f"{engine.name} ended with status {error.returncode}: {said}", wanted="status 0") from error
    return done.stdout


def speak_with_program(engine: Engine, command: Sequence[str], text: str) -> NDArray[np.float64]:
    """Speech at 16 kHz from a program that reads one file and writes another.

    Args:
        engine: named in errors.
        command: ``{text}`` and ``{wave}`` stand for the names of the two files.
        text: any; files are the way that takes every character and length.

    Raises:
        AudioError: the program failed, or wrote no sound.
    """
    with tempfile.TemporaryDirectory() as folder:
        written, spoken = Path(folder, "text.txt"), Path(folder, "speech.wav")
        written.write_text(text + "\n", encoding="utf-8")
        run_program(engine, [part.format(text=written, wave=spoken) for part in command])
        content = spoken.read_bytes() if spoken.is_file() else b""
    try:
        waveform, rate_hz = soundfile.read(io.BytesIO(content))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{engine.name} wrote no sound for {text[:60]!r}", wanted="words that it can say") from error
    return speech_at_16k(engine, np.asarray(waveform, dtype=np.float64), rate_hz, text)


def as_ascii(text: str) -> str:
    """Text for an engine that reads bytes: plain quotes and dashes, no accents, nothing else that is not ASCII."""
    plain = unicodedata.normalize("NFKD", text.translate(_TYPEWRITER))
    return plain.encode("ascii", "ignore").decode()


def speech_at_16k(engine: Engine, waveform: NDArray[np.floating], rate_hz: int, text: str) -> NDArray[np.float64]:
    """An engine's speech, shape (samples,) at any rate, as float64 at 16 kHz.

    Raises:
        AudioError: there are no samples: nothing in the text could be said.
    """
    if len(waveform) == 0:
        raise AudioError(f"{engine.name} said nothing for {text[:60]!r}", wanted="words that it can say")
    return np.asarray(resample(waveform, rate_hz), dtype=np.float64)


def to_narrowband(waveform: NDArray[np.float64]) -> NDArray[np.int16]:
    """16 kHz float to 8 kHz integers, shape (samples / 2,)."""
    narrow = resample(waveform, SAMPLE_RATE_HZ, target_hz=_NARROWBAND_HZ)
    return np.rint(np.clip(narrow, -1, 1) * 32767).astype("<i2")


def from_narrowband(
    samples: NDArray[np.int16], delay_samples: int, waveform: NDArray[np.float64]
) -> NDArray[np.float64]:
    """8 kHz integers to 16 kHz float, a codec's delay taken out, under the original's own band above 4 kHz.

    An empty upper band would tell these attacks from everything else without any listening.

    Args:
        samples: shape (any,).
        delay_samples: at 8 kHz, how far the codec lags; negative where it leads.
        waveform: the original, shape (samples,), 16 kHz.
    """
    in_time = samples[delay_samples:] if delay_samples >= 0 else np.pad(samples, (-delay_samples, 0))
    num_narrow = -(-len(waveform) // 2)
    fitted = np.pad(in_time[:num_narrow], (0, max(0, num_narrow - len(in_time))))
    lower, kept = (
        resample(narrow / 32768, _NARROWBAND_HZ)[: len(waveform)] for narrow in (fitted, to_narrowband(waveform))
    )
    return waveform + lower - kept
