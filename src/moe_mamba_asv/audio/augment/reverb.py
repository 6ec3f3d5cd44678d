"""Speech as it is heard in a room."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import fftconvolve

from moe_mamba_asv.audio.augment.recordings import Recordings
from moe_mamba_asv.audio.augment.rooms import Rooms, simulate
from moe_mamba_asv.audio.augment.transform import Transform

#: In a recorded response the first sound this near to the strongest is the direct one: a reflection may be louder.
_NEAR_STRONGEST = 0.5
#: Half a millisecond, in which the direct sound reaches its peak.
_RISE_SAMPLES = 8


class Reverb(Transform):
    """The clip in a room, simulated or measured.

    The direct sound stays where it was, what reverberates past the end is cut, and the level (RMS) stays. Recorded
    responses are whole recordings from a folder, at any rate.
    """

    kind: Literal["reverb"] = "reverb"
    source: Rooms | Recordings = Field(
        default=Rooms(), description="rooms to draw from, or a folder of recorded impulse responses"
    )

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw a response, then let the clip sound in it; see `reverberate`."""
        return reverberate(waveform, self.draw(rng))

    def draw(self, rng: np.random.Generator) -> NDArray[np.floating]:
        """An impulse response at 16 kHz from the direct sound on, shape (samples,).

        Raises:
            AudioError: pyroomacoustics is needed and not installed, or a recording cannot be used.
        """
        match self.source:
            case Rooms():
                return simulate(self.source.draw(rng))
            case Recordings():
                return from_direct_sound(self.source.draw(rng))


def from_direct_sound(response: NDArray[np.floating]) -> NDArray[np.floating]:
    """Cut what is before the direct sound off a response.

    Args:
        response: shape (samples,), 16 kHz, not silent.
    """
    size = np.abs(response)
    first = int(np.argmax(size >= _NEAR_STRONGEST * size.max()))
    return response[first + int(np.argmax(size[first : first + _RISE_SAMPLES])) :]


def reverberate(waveform: NDArray[np.float32], response: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convolve and bring back to the level that the clip had; silence stays silence.

    Args:
        waveform: shape (samples,), 16 kHz; it is not written to.
        response: the direct sound is its first sample.

    Returns:
        Shape (samples,).
    """
    if not waveform.any():
        return waveform
    wet = fftconvolve(waveform.astype(np.float64), response)[: len(waveform)]
    return (wet * np.linalg.norm(waveform.astype(np.float64)) / np.linalg.norm(wet)).astype(np.float32)
