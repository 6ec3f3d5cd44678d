"""From a file to what a model hears: decode, then 16 kHz."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.audio.decode import decode
from moe_mamba_asv.audio.resample import resample
from moe_mamba_asv.errors import AudioError


def load_16k(source: Path | bytes, *, max_duration_s: float | None = None) -> NDArray[np.float32]:
    """Read one sound as mono float32 at 16 kHz.

    A silent file loads as zeros: whether silence can be scored is for the caller to say.

    Args:
        source: a path, or the content of a file.
        max_duration_s: refuse anything longer; None accepts any length.

    Returns:
        Shape (samples,), finite, at least one sample.

    Raises:
        AudioError: see `moe_mamba_asv.audio.decode.decode`; also where resampling left the finite range.
    """
    waveform, rate_hz = decode(source, max_duration_s=max_duration_s)
    waveform = resample(waveform, rate_hz)
    if not np.isfinite(waveform).all():
        name = f"sound of {len(source)} bytes" if isinstance(source, bytes) else str(source)
        raise AudioError(f"{name} overflows when resampled from {rate_hz} Hz", wanted="samples near full scale 1.0")
    return waveform
