"""Rooms that are drawn, and what is heard in them."""

from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from moe_mamba_asv.audio.augment.ranges import within
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError

_SOUND_M_PER_S = 343.0
#: From walls, and between mouth and microphone.
_LEAST_DISTANCE_M = 0.3
#: Up to this many reflections a path is followed; in living rooms that is the first tenth of a second.
_MAX_ORDER = 20
#: Over which the level of the last paths is taken.
_JOINT_SAMPLES = 320


@dataclass(frozen=True)
class DrawnRoom:
    """One room and all that is random in its response.

    Attributes:
        size_m: length, width and height.
        rt60_s: time in which reverberation falls by 60 dB.
        source_m: where the mouth is, shape (3,).
        microphone_m: where it is heard, shape (3,).
        late: normal and white, shape (samples,): what stands for paths too many to follow.
    """

    size_m: tuple[float, float, float]
    rt60_s: float
    source_m: NDArray[np.float64]
    microphone_m: NDArray[np.float64]
    late: NDArray[np.float64]


class Rooms(BaseModel):
    """Rooms with parallel walls that all absorb alike, speaker and microphone anywhere in them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    length_m: Annotated[tuple[float, float], within(1.5, 50)] = Field(default=(3.0, 10.0), description="range, in m")
    width_m: Annotated[tuple[float, float], within(1.5, 50)] = Field(default=(3.0, 8.0), description="range, in m")
    height_m: Annotated[tuple[float, float], within(1.5, 20)] = Field(default=(2.4, 3.5), description="range, in m")
    rt60_s: Annotated[tuple[float, float], within(0.1, 5)] = Field(
        default=(0.2, 0.8), description="range of the time in which reverberation falls by 60 dB"
    )

    @model_validator(mode="after")
    def _walls_absorb_at_most_all(self) -> Self:
        largest = self.length_m[1], self.width_m[1], self.height_m[1]
        absorbed = absorption(largest, self.rt60_s[0])
        if absorbed > 1:
            least_s = self.rt60_s[0] * absorbed
            raise ValueError(
                f"rt60_s {self.rt60_s}; wanted {least_s:.2g} s or more, the least in a room of {largest} m"
            )
        return self

    def draw(self, rng: np.random.Generator) -> DrawnRoom:
        """Draw a room, two places at least 0.3 m apart and from its walls, and its late reverberation."""
        size_m = rng.uniform(*self.length_m), rng.uniform(*self.width_m), rng.uniform(*self.height_m)
        rt60_s = rng.uniform(*self.rt60_s)
        source_m, microphone_m = _place(size_m, rng), _place(size_m, rng)
        while np.linalg.norm(source_m - microphone_m) < _LEAST_DISTANCE_M:
            microphone_m = _place(size_m, rng)
        late = rng.standard_normal(round(rt60_s * SAMPLE_RATE_HZ))
        return DrawnRoom(size_m, rt60_s, source_m, microphone_m, late)


def absorption(size_m: tuple[float, float, float], rt60_s: float) -> float:
    """Share of power that walls take for a reverberation time, by Sabine's formula; above 1 there are no such walls."""
    length, width, height = size_m
    surface = 2 * (length * width + width * height + height * length)
    return float(24 * np.log(10) * length * width * height / (_SOUND_M_PER_S * surface * rt60_s))


def simulate(drawn: DrawnRoom) -> NDArray[np.float64]:
    """Impulse response of a room, from the direct sound on.

    Paths of up to 20 reflections come from image sources; when not all paths of a moment are among them any longer,
    noise goes on at their level and decays by 60 dB in the drawn time.

    Returns:
        Shape (samples,), 16 kHz, as long as the reverberation time.

    Raises:
        AudioError: pyroomacoustics is not installed.

    Source: Allen & Berkley, "Image method for efficiently simulating small-room acoustics", 1979.
    """
    direct_s = float(np.linalg.norm(drawn.source_m - drawn.microphone_m)) / _SOUND_M_PER_S
    shortest_m = np.sum(1 / np.square(drawn.size_m)) ** -0.5
    num_samples = len(drawn.late)
    complete_s = float(_MAX_ORDER * shortest_m / _SOUND_M_PER_S) - direct_s
    # In a corridor the paths may be incomplete from the beginning on: they are then the only ones there are.
    num_early = max(_JOINT_SAMPLES, min(num_samples, int(complete_s * SAMPLE_RATE_HZ)))
    early = _paths(drawn, direct_s)[:num_early]
    last_level = np.sqrt(np.mean(early[-_JOINT_SAMPLES:] ** 2))
    age = np.arange(num_samples - len(early)) + _JOINT_SAMPLES / 2
    late = drawn.late[len(early) :] * last_level * 10 ** (-3 * age / num_samples)
    return np.concatenate([early, late])


def _paths(drawn: DrawnRoom, direct_s: float) -> NDArray[np.float64]:
    """Response of image sources from the direct sound on, shape (samples,)."""
    acoustics = _pyroomacoustics()
    num_threads = acoustics.constants.get("num_threads")
    # Sums of several threads differ in their last bits from those of one.
    acoustics.constants.set("num_threads", 1)
    try:
        walls = acoustics.Material(absorption(drawn.size_m, drawn.rt60_s))
        room = acoustics.ShoeBox(drawn.size_m, fs=SAMPLE_RATE_HZ, materials=walls, max_order=_MAX_ORDER)
        room.add_source(drawn.source_m)
        room.add_microphone(drawn.microphone_m)
        room.compute_rir()
    finally:
        acoustics.constants.set("num_threads", num_threads)
    delay = acoustics.constants.get("frac_delay_length") // 2
    return np.asarray(room.rir[0][0][delay + round(direct_s * SAMPLE_RATE_HZ) :], np.float64)


def _place(size_m: tuple[float, float, float], rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(_LEAST_DISTANCE_M, np.subtract(size_m, _LEAST_DISTANCE_M))


def _pyroomacoustics() -> ModuleType:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise AudioError(
            f"simulated rooms need pyroomacoustics: {error}", remedy="pip install 'moe-mamba-asv[augment]'"
        ) from error
    return pyroomacoustics
