"""What can be measured of a sound without a model: length, level, silence, bandwidth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError

_FRAME_S = 0.01
#: What the facts call silence.
SILENCE_BELOW_PEAK_DB = 40.0
#: The band ends where the long-term spectrum has fallen this far below its maximum for good.
_BAND_EDGE_DB = 60.0
_FLOOR = 1e-12  # -120 dB, far below the step of 16 bits
#: Below this a noise floor would tell the level of the speech above digital silence.
_LOWEST_FLOOR_DB = -90.0
_SILENT = 1e-30


@dataclass(frozen=True)
class AudioFacts:
    """Measurements of one waveform.

    Attributes:
        duration_s: length.
        level_dbfs: RMS of the part between the edge silences, dB relative to full scale.
        peak: largest absolute sample, full scale 1.0.
        leading_silence_s: before the first frame that is within 40 dB of the loudest.
        trailing_silence_s: after the last such frame.
        bandwidth_hz: highest frequency whose long-term power is within 60 dB of the strongest.
    """

    duration_s: float
    level_dbfs: float
    peak: float
    leading_silence_s: float
    trailing_silence_s: float
    bandwidth_hz: float


def speech_bounds(
    waveform: NDArray[np.floating], rate_hz: int = SAMPLE_RATE_HZ, *, below_peak_db: float = SILENCE_BELOW_PEAK_DB
) -> tuple[int, int]:
    """First sample of the part between the edge silences, and the one after its last.

    Args:
        waveform: mono, shape (samples,), at least one sample.
        rate_hz: its sampling rate.
        below_peak_db: a 10 ms frame this far below the loudest one is silence.

    Returns:
        ``(start, end)`` in samples, ``start < end``; the whole waveform where it is silent or a frame long.

    Raises:
        AudioError: the waveform is empty.
    """
    if len(waveform) == 0:
        raise AudioError("an empty waveform", wanted="at least one sample")
    frame_samples = max(1, round(_FRAME_S * rate_hz))
    starts = np.arange(0, len(waveform), frame_samples)
    energy = np.add.reduceat(np.asarray(waveform, dtype=np.float64) ** 2, starts)
    loud = np.flatnonzero(energy > energy.max() * 10 ** (-below_peak_db / 10))
    if len(loud) == 0:
        return 0, len(waveform)
    return int(starts[loud[0]]), min(len(waveform), int(starts[loud[-1]]) + frame_samples)


def measure(waveform: NDArray[np.floating], rate_hz: int = SAMPLE_RATE_HZ) -> AudioFacts:
    """Measure one mono waveform of shape (samples,).

    Raises:
        AudioError: the waveform is empty.
    """
    start, end = speech_bounds(waveform, rate_hz)
    samples = np.asarray(waveform, dtype=np.float64)
    return AudioFacts(
        duration_s=len(samples) / rate_hz,
        level_dbfs=float(10 * np.log10(np.mean(samples[start:end] ** 2) + _FLOOR)),
        peak=float(np.abs(samples).max()),
        leading_silence_s=start / rate_hz,
        trailing_silence_s=(len(samples) - end) / rate_hz,
        bandwidth_hz=_bandwidth_hz(samples, rate_hz),
    )


def noise_floor_db(waveform: NDArray[np.floating], rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """How quiet the pauses are: 5th percentile of the levels of 10 ms frames, relative to the whole.

    Only what lies between the edge silences counts, so that their length changes nothing.

    Args:
        waveform: mono, shape (samples,), at least one sample.
        rate_hz: its sampling rate.

    Returns:
        dB, between -90 and 0. Digital silence answers -90 at any level of the speech.

    Raises:
        AudioError: the waveform is empty.
    """
    start, end = speech_bounds(waveform, rate_hz)
    power = np.asarray(waveform[start:end], dtype=np.float64) ** 2
    frame_samples = max(1, round(_FRAME_S * rate_hz))
    # A last frame that is not whole would be measured from too few samples.
    whole = power[: max(1, len(power) // frame_samples) * frame_samples]
    frames = whole.reshape(-1, min(len(whole), frame_samples)).mean(axis=1)
    floor, active = np.percentile(frames, 5), power.mean()
    return float(np.clip(10 * np.log10((floor + _SILENT) / (active + _SILENT)), _LOWEST_FLOOR_DB, 0.0))


def _bandwidth_hz(samples: NDArray[np.float64], rate_hz: int, fft_samples: int = 512) -> float:
    padded = np.pad(samples, (0, max(0, fft_samples - len(samples))))
    # Blackman: its side lobes lie below the 60 dB that are measured.
    frames = np.lib.stride_tricks.sliding_window_view(padded, fft_samples)[:: fft_samples // 2]
    power = np.mean(np.abs(np.fft.rfft(frames * np.blackman(fft_samples))) ** 2, axis=0)
    inside = np.flatnonzero(power > power.max() * 10 ** (-_BAND_EDGE_DB / 10))
    return float(inside[-1] * rate_hz / fft_samples) if len(inside) else 0.0
