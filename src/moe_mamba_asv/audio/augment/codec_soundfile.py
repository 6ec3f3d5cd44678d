"""Codecs of libsndfile, in memory: those that FFmpeg only decodes, and Vorbis."""

from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray


def through_soundfile(
    samples: NDArray[np.int16], rate_hz: int, file_format: str, subtype: str, *, compression_level: float | None = None
) -> NDArray[np.float32]:
    """Write a file in memory and read it again; none of these codecs delays what it keeps.

    Args:
        samples: shape (samples,), at ``rate_hz``, at least one.
        rate_hz: the codec's sampling rate.
        file_format: libsndfile's name of a container.
        subtype: libsndfile's name of a codec.
        compression_level: 0 (best) to 1, for codecs that have one.

    Returns:
        Shape (samples,), full scale 1.0; a decoder may pass it.
    """
    file = BytesIO()
    soundfile.write(file, samples, rate_hz, subtype, format=file_format, compression_level=compression_level)
    file.seek(0)
    # As floats: reading integers would wrap around where a decoder passes full scale.
    decoded = soundfile.read(file, dtype="float32")[0]
    return decoded[: len(samples)].astype(np.float32, copy=False)
