"""The last stage that both classes share, so that nothing but the synthesis tells them apart."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin

from moe_mamba_asv.audio.augment.codec_setting import CodecSetting
from moe_mamba_asv.audio.facts import speech_bounds
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.minispoof.background import missing_background
from moe_mamba_asv.errors import AudioError

#: RMS of the speech part of every clip of either class: the nominal active level of ITU-T P.56 practice.
LEVEL_DBFS = -26.0
_PEAK = 0.9
#: What counts as speech here: higher than the 40 dB of the facts, so that the original's own background noise, which
#: no vocoder reproduces, fills the edges of a spoof too.
_SPEECH_BELOW_PEAK_DB = 30.0
_CROSS_FADE_SAMPLES = 160  # 10 ms
#: No resampler of any engine reaches higher; what lies above would tell a recording that was never resampled.
_BAND_EDGE_HZ = 7_300.0
_BAND_FILTER = firwin(129, _BAND_EDGE_HZ, fs=SAMPLE_RATE_HZ)
_G722 = CodecSetting(codec="g722")


def at_level(waveform: NDArray[np.floating]) -> NDArray[np.float64]:
    """Bring the speech part of a clip to -26 dBFS RMS, or to a peak of 0.9 where clicks would clip.

    Args:
        waveform: shape (samples,), 16 kHz.

    Raises:
        AudioError: the clip is silent.
    """
    samples = np.asarray(waveform, dtype=np.float64)
    start, end = speech_bounds(samples, below_peak_db=_SPEECH_BELOW_PEAK_DB)
    rms, peak = np.sqrt(np.mean(samples[start:end] ** 2)), np.abs(samples).max()
    if rms < 1e-5:
        raise AudioError("the recording is silent (below -100 dBFS)", wanted="speech", remedy="leave it out")
    return samples * min(10 ** (LEVEL_DBFS / 20) / rms, _PEAK / peak)


def match(spoof: NDArray[np.float64], original: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Give a spoof its original's length, edge silences, speech level and background.

    The original's own silence before and after the speech is put back with 10 ms cross-fades. A spoof whose peaks
    would clip is turned down: the one case in which its level is lower.

    Args:
        spoof: shape (about samples,), in time with the original.
        original: shape (samples,), at its final level.
        rng: draws the background.

    Raises:
        AudioError: the spoof is silent or not finite.
    """
    fitted = np.pad(spoof, (0, max(0, len(original) - len(spoof))))[: len(original)]
    start, end = speech_bounds(original, below_peak_db=_SPEECH_BELOW_PEAK_DB)
    return _laid(fitted, original, start, end, original[start:end], rng)


def place(
    speech: NDArray[np.float64], original: NDArray[np.float64], rng: np.random.Generator, *, whole: bool
) -> NDArray[np.float64]:
    """Put speech of another timing between the edge silences of an original, at its level and with its background.

    Args:
        speech: shape (any,), 16 kHz.
        original: shape (samples,), at its final level.
        rng: draws the background.
        whole: keep all of it, as for the same words; else no more than the original's speech lasts.

    Returns:
        Shape (samples,), or as many more or fewer as the speech that is kept differs.

    Raises:
        AudioError: the speech is silent or not finite.
    """
    start, end = speech_bounds(original, below_peak_db=_SPEECH_BELOW_PEAK_DB)
    first, last = speech_bounds(speech, below_peak_db=_SPEECH_BELOW_PEAK_DB)
    if not whole:
        last = min(last, first + end - start)
    bed = np.concatenate([original[:start], np.zeros(last - first), original[end:]])
    # What lies in the bed's edges is faded out; only 10 ms of it are heard.
    padded = np.pad(speech, (start, len(bed)))[first : first + len(bed)]
    return _laid(padded, bed, start, start + last - first, original[start:end], rng)


def _laid(
    sound: NDArray[np.float64],
    bed: NDArray[np.float64],
    start: int,
    end: int,
    original_speech: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """A sound from start to end, at the level of the original's speech and over its background; the bed outside."""
    rms, wanted_rms = (np.sqrt(np.mean(samples**2)) for samples in (sound[start:end], original_speech))
    if not np.isfinite(rms) or rms == 0:
        raise AudioError("the attack made no sound of this recording", wanted="a finite, audible spoof")
    gain = min(wanted_rms / rms, _PEAK / np.abs(sound[start:end]).max())
    spoken = gain * sound
    spoken += missing_background(spoken[start:end], original_speech, len(sound), rng)
    share = _spoof_share(len(sound), start, end)
    return share * spoken + (1 - share) * bed


def _spoof_share(num_samples: int, start: int, end: int) -> NDArray[np.float64]:
    """1 over the speech, 0 over edge silences, linear in the 10 ms outside the speech; shape (num_samples,)."""
    corners = [start - _CROSS_FADE_SAMPLES, start, end - 1, end - 1 + _CROSS_FADE_SAMPLES]
    return np.interp(np.arange(num_samples), corners, [0.0, 1.0, 1.0, 0.0])


def through_channel(waveform: NDArray[np.float64]) -> NDArray[np.int16]:
    """Cut off above 7.3 kHz, then encode and decode by G.722 at 64 kbit/s in memory, delay taken out again.

    The embedded recordings differ in codec history (G.722 or Vorbis), a user's in anything, and engines speak at
    rates of their own: this puts one same band and codec last on every clip of both classes.

    Args:
        waveform: shape (samples,), 16 kHz, full scale 1.0.

    Returns:
        Shape (samples,), 16-bit integers.
    """
    limited = fftconvolve(waveform, _BAND_FILTER, mode="same") if len(waveform) > 1 else waveform
    integers = np.rint(np.clip(limited, -1, 1) * 32767).astype(np.int16)
    return np.rint(_G722.round_trip((integers / 32768).astype(np.float32)) * 32768).astype(np.int16)
