"""RawBoost: the noises of telephone lines, made of the clip itself and of random filters."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from moe_mamba_asv.audio.augment.notch_filters import Floats, NotchFilters, filter_powers, notch_taps
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.errors import AudioError

#: Algorithms that have each kind of noise.
CONVOLUTIVE, IMPULSIVE, STATIONARY = frozenset({1, 4, 5, 6, 8}), frozenset({2, 4, 5, 7, 8}), frozenset({3, 4, 6, 7})
_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Impulses:
    """Impulsive noise that depends on the signal.

    Attributes:
        positions: samples that change, each once, shape (impulses,).
        factors: what is added there, as a multiple of the sample, shape (impulses,).
    """

    positions: NDArray[np.int64]
    factors: NDArray[np.float64]


@dataclass(frozen=True)
class StationaryNoise:
    """Coloured noise that does not depend on the signal.

    Attributes:
        white: normal, shape (samples,).
        colour: one filter.
        snr_db: of the clip to the coloured noise, whole clip to whole noise.
    """

    white: Floats
    colour: NotchFilters
    snr_db: float


@dataclass(frozen=True)
class DrawnRawBoost:
    """All that is random in one change of one clip.

    Attributes:
        num_samples: of the clip.
        convolutive: a filter for each power of the clip; like the next two None where the algorithm lacks it.
        impulses: added after it.
        noise: added last.
        side_by_side: whether impulses go to the clip as it was, and the sum of both results is taken.
    """

    num_samples: int
    convolutive: NotchFilters | None = None
    impulses: Impulses | None = None
    noise: StationaryNoise | None = None
    side_by_side: bool = False


class RawBoost(Transform):
    """Convolutive (1), impulsive (2) and stationary (3) noise, alone or combined.

    The results equal the published code's for the same draws, in which a filtered signal comes one sample early. What
    that code divides by zero stays as it was: coloured noise without any energy is not added. Silence stays silence.

    Source: Tak, Kamble, Patino, Todisco & Evans (2022), RawBoost: A Raw Data Boosting and Augmentation Method applied
        to Automatic Speaker Verification Anti-Spoofing, ICASSP; the defaults are those of its code.
    """

    kind: Literal["rawboost"] = "rawboost"
    algorithm: int = Field(
        default=5,
        ge=0,
        le=8,
        description="0 nothing, 1 convolutive, 2 impulsive, 3 stationary; in series: 4 all three, 5 the first two, "
        "6 first and third, 7 second and third; 8 the sum of 1 and 2",
    )
    num_bands: int = Field(default=5, ge=1, le=32, description="notches of a filter")
    min_centre_hz: float = Field(default=20, ge=0, description="lowest centre of a notch")
    max_centre_hz: float = Field(default=8000, le=SAMPLE_RATE_HZ / 2, description="highest centre of a notch")
    min_width_hz: float = Field(default=100, ge=1, description="of the narrowest notch")
    max_width_hz: float = Field(default=1000, description="of the widest notch")
    min_taps: int = Field(default=10, ge=2, description="of the shortest band-stop filter; one more where even")
    max_taps: int = Field(default=100, le=1000, description="upper end of the same, itself not drawn unless alone")
    min_gain_db: float = Field(default=0, description="least gain of the filters of clip and noise")
    max_gain_db: float = Field(default=0, description="greatest gain of the same")
    num_powers: int = Field(default=5, ge=1, le=16, description="powers of the clip that convolutive noise filters")
    min_bias_db: float = Field(default=5, description="by which the least gain of powers from the second on is lower")
    max_bias_db: float = Field(default=20, description="by which the greatest gain of the same is lower")
    max_impulse_share: float = Field(default=0.1, ge=0, le=1, description="greatest share of samples with an impulse")
    impulse_gain: float = Field(default=2, ge=0, description="greatest impulse as a multiple of its sample")
    min_snr_db: float = Field(default=10, description="loudest stationary noise")
    max_snr_db: float = Field(default=40, description="faintest stationary noise")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for what in ("centre_hz", "width_hz", "taps", "gain_db", "snr_db"):
            low, high = getattr(self, f"min_{what}"), getattr(self, f"max_{what}")
            if low > high:
                raise ValueError(f"min_{what} {low:g} above max_{what} {high:g}")
        return self

    def change(self, waveform: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """Change a clip, always; see `Transform.__call__`. As many samples come back."""
        return apply_rawboost(waveform, draw_rawboost(self, len(waveform), rng)).astype(np.float32, copy=False)


def draw_rawboost(config: RawBoost, num_samples: int, rng: np.random.Generator) -> DrawnRawBoost:
    """Draw what `apply_rawboost` does to a clip of so many samples."""
    algorithm = config.algorithm
    return DrawnRawBoost(
        num_samples,
        draw_convolutive(config, rng) if algorithm in CONVOLUTIVE else None,
        draw_impulses(config, num_samples, rng) if algorithm in IMPULSIVE else None,
        draw_noise(config, num_samples, rng) if algorithm in STATIONARY else None,
        side_by_side=algorithm == _SIDE_BY_SIDE,
    )


def draw_convolutive(config: RawBoost, rng: np.random.Generator) -> NotchFilters:
    """A filter for each power; those from the second on are fainter."""
    biased = np.arange(config.num_powers) > 0
    low, high = config.min_gain_db - biased * config.min_bias_db, config.max_gain_db - biased * config.max_bias_db
    return _draw_filters(config, low + (high - low) * rng.random(config.num_powers), rng)


def draw_impulses(config: RawBoost, num_samples: int, rng: np.random.Generator) -> Impulses:
    """Positions without repetition, and products of two uniform numbers."""
    count = int(num_samples * rng.uniform(0, config.max_impulse_share))
    positions = rng.choice(num_samples, count, replace=False, shuffle=False)
    return Impulses(positions, config.impulse_gain * rng.uniform(-1, 1, (2, count)).prod(axis=0))


def draw_noise(config: RawBoost, num_samples: int, rng: np.random.Generator) -> StationaryNoise:
    """White noise, its colour and its level."""
    white = rng.standard_normal(num_samples, dtype=np.float32)
    colour = _draw_filters(config, rng.uniform(config.min_gain_db, config.max_gain_db, 1), rng)
    return StationaryNoise(white, colour, rng.uniform(config.min_snr_db, config.max_snr_db))


def _draw_filters(config: RawBoost, gains_db: NDArray[np.float64], rng: np.random.Generator) -> NotchFilters:
    shape = len(gains_db), config.num_bands
    centres_hz = rng.uniform(config.min_centre_hz, config.max_centre_hz, shape)
    widths_hz = rng.uniform(config.min_width_hz, config.max_width_hz, shape)
    num_taps = rng.uniform(config.min_taps, config.max_taps, shape).astype(np.int64)
    return NotchFilters(centres_hz, widths_hz, num_taps | 1, gains_db)


def apply_rawboost(waveform: Floats, drawn: DrawnRawBoost) -> Floats:
    """Do to a clip what was drawn for it.

    Args:
        waveform: shape (samples,); float64 is computed in float64, float32 in float32. It is not written to.
        drawn: for as many samples.

    Raises:
        AudioError: it was drawn for another length.
    """
    if len(waveform) != drawn.num_samples:
        raise AudioError(
            f"RawBoost drawn for {drawn.num_samples} samples, given {len(waveform)}", wanted="the same length"
        )
    changed = waveform
    if drawn.convolutive is not None:
        changed = apply_convolutive(changed, drawn.convolutive)
    if drawn.impulses is not None:
        spiked = apply_impulses(waveform if drawn.side_by_side else changed, drawn.impulses)
        changed = _limit(changed + spiked) if drawn.side_by_side else spiked
    if drawn.noise is not None:
        changed = apply_noise(changed, drawn.noise)
    return changed


def apply_convolutive(waveform: Floats, filters: NotchFilters) -> Floats:
    """Sum of filtered powers, without its mean; at most full scale."""
    filtered = filter_powers(waveform, notch_taps(filters))
    return _limit(filtered - filtered.mean())


def apply_impulses(waveform: Floats, impulses: Impulses) -> Floats:
    """Samples plus multiples of themselves; at most full scale."""
    spiked = waveform.copy()
    spiked[impulses.positions] *= (1 + impulses.factors).astype(waveform.dtype)
    return _limit(spiked)


def apply_noise(waveform: Floats, noise: StationaryNoise) -> Floats:
    """Add coloured noise at its level; where the filter left nothing of it, nothing."""
    coloured = filter_powers(noise.white.astype(waveform.dtype, copy=False), notch_taps(noise.colour))
    norm = np.linalg.norm(coloured)
    if norm == 0:
        return waveform
    coloured *= np.linalg.norm(waveform) / norm / 10 ** (noise.snr_db / 20)
    return waveform + coloured


def _limit(waveform: Floats) -> Floats:
    """Bring a peak beyond full scale to full scale."""
    peak = max(waveform.max(), -waveform.min())
    return waveform / peak if peak > 1 else waveform
