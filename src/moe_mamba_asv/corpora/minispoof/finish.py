"""The last stage that both classes share, so that nothing but the synthesis tells them apart."""

import av
import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.facts import speech_bounds
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError

#: RMS of the speech part of every clip of either class: the nominal active level of ITU-T P.56 practice.
LEVEL_DBFS = -26.0
_PEAK = 0.9
#: What counts as speech here: higher than the 40 dB of the facts, so that the original's own background noise, which
#: no vocoder reproduces, fills the edges of a spoof too.
_SPEECH_BELOW_PEAK_DB = 30.0
_CROSS_FADE_SAMPLES = 160  # 10 ms
#: Delay of G.722's two quadrature mirror filters, encoder and decoder together.
_G722_DELAY_SAMPLES = 22


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


def match(spoof: NDArray[np.float64], original: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give a spoof its original's length, edge silences and speech level.

    The original's own silence before and after the speech is put back with 10 ms cross-fades. A spoof whose peaks
    would clip is turned down: the one case in which its level is lower.

    Args:
        spoof: shape (about samples,).
        original: shape (samples,), at its final level.

    Raises:
        AudioError: the spoof is silent or not finite.
    """
    num_samples = len(original)
    fitted = np.pad(spoof, (0, max(0, num_samples - len(spoof))))[:num_samples]
    start, end = speech_bounds(original, below_peak_db=_SPEECH_BELOW_PEAK_DB)
    rms, wanted_rms = (np.sqrt(np.mean(samples[start:end] ** 2)) for samples in (fitted, original))
    if not np.isfinite(rms) or rms == 0:
        raise AudioError("the attack made no sound of this recording", wanted="a finite, audible spoof")
    gain = min(wanted_rms / rms, _PEAK / np.abs(fitted[start:end]).max())
    share = _spoof_share(num_samples, start, end)
    return share * gain * fitted + (1 - share) * original


def _spoof_share(num_samples: int, start: int, end: int) -> NDArray[np.float64]:
    """1 over the speech, 0 over edge silences, linear in the 10 ms outside the speech; shape (num_samples,)."""
    corners = [start - _CROSS_FADE_SAMPLES, start, end - 1, end - 1 + _CROSS_FADE_SAMPLES]
    return np.interp(np.arange(num_samples), corners, [0.0, 1.0, 1.0, 0.0])


def through_g722(waveform: NDArray[np.float64]) -> NDArray[np.int16]:
    """Encode and decode at 64 kbit/s in memory, delay taken out again.

    The embedded recordings differ in codec history (G.722 or Vorbis), a user's in anything: this puts one same
    codec last on every clip of both classes.

    Args:
        waveform: shape (samples,), 16 kHz, full scale 1.0.

    Returns:
        Shape (samples,), 16-bit integers.
    """
    integers = np.rint(np.clip(waveform, -1, 1) * 32767).astype(np.int16)
    padding = _G722_DELAY_SAMPLES + len(integers) % 2  # the codec takes samples two by two
    frame = av.AudioFrame.from_ndarray(np.pad(integers, (0, padding))[None], format="s16", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    encoder, decoder = av.CodecContext.create("g722", "w"), av.CodecContext.create("g722", "r")
    for codec in (encoder, decoder):
        codec.sample_rate, codec.layout, codec.format = SAMPLE_RATE_HZ, "mono", "s16"
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    decoded = [piece.to_ndarray()[0] for packet in packets for piece in decoder.decode(packet)]
    return np.concatenate(decoded)[_G722_DELAY_SAMPLES:][: len(integers)]
