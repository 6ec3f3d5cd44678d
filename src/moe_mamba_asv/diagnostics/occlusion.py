"""Where in a clip does the score come from? Parts are taken away, and the model is asked again.

The clip is the sum of its bands, and each band the sum of its windows. A part is taken away by lowering it by
`ATTENUATION_DB`, with the rest left as it is:

    occluded = clip - (1 - gain) · window(t) · band(t)

for a window over all bands, a band over all time, or one cell of both. Bands come from one FFT without any change of
phase, and windows and bands fade into their neighbours, so that nothing clicks and little rings. Something of the sound
stays, so there is no digital silence. A model may take notice of the hole as such; a change says what the score does
without the part, not only what the part said.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from moe_mamba_asv.diagnostics.results.occlusion import Cell, OcclusionResult
from moe_mamba_asv.diagnostics.sample import Waveform, score_all
from moe_mamba_asv.errors import ConfigError
from moe_mamba_asv.scoring.predictor import Predictor

#: A choice: a thousandth of the amplitude stays.
ATTENUATION_DB = 60.0
#: A window fades into the next over this long. Of a tone at 500 Hz that leaves -133 dB above 2 kHz; a cut, -72 dB.
_FADE_S = 0.01
#: Bands cross over this widely: a click's ringing is then 60 dB down after 20 ms; with 20 Hz, only 38 dB.
_CROSSING_HZ = 100.0
_RATE_HZ = 16_000
_Parts = NDArray[np.float64]


def occlude(
    predictor: Predictor,
    waveform: Waveform,
    *,
    window_s: float = 0.25,
    bands: int = 8,
    batch_size: int = 8,
    on_clips: Callable[[int], None] = lambda clips: None,
) -> OcclusionResult:
    """Ask the model about a clip without each of its parts; see the module for how a part is taken away.

    It takes (windows + 1) · (bands + 1) answers: 153 for 4.04 s, windows of a quarter second and 8 bands. `num_passes`
    tells beforehand.

    Args:
        predictor: the detector.
        waveform: mono, 16 kHz; what the model hears of it is looked at.
        window_s: wished length of a window; the clip is divided evenly into the nearest whole number.
        bands: equally wide, from 0 to 8 kHz.
        batch_size: clips a forward pass.
        on_clips: told of every batch's size.

    Raises:
        AudioError: digital silence where the clip is scored.
        ConfigError: windows or bands that fade away entirely.
    """
    if window_s < 2 * _FADE_S or not 1 <= bands <= _RATE_HZ / 2 / (2 * _CROSSING_HZ):
        raise ConfigError(
            f"windows of {window_s:g} s and {bands} bands",
            wanted=f"at least {2 * _FADE_S:g} s, and 1 to {_RATE_HZ / 2 / (2 * _CROSSING_HZ):g} bands",
        )
    clip = predictor.crop(waveform)
    times_s = np.linspace(0, len(clip) / _RATE_HZ, _num_windows(len(clip), window_s) + 1)
    bands_hz = np.linspace(0, _RATE_HZ / 2, bands + 1)
    windows = _shares(np.arange(len(clip)) / _RATE_HZ, times_s, _FADE_S)
    parts = _split(clip, bands_hz)

    def answers(removed: _Parts) -> NDArray[np.float64]:
        kept = clip - (1 - 10 ** (-ATTENUATION_DB / 20)) * removed
        return score_all(predictor, list(kept.astype(np.float32)), batch_size=batch_size, on_clips=on_clips)

    score = score_all(predictor, [clip], batch_size=batch_size, on_clips=on_clips)[0]
    time_changes = answers(windows * clip) - score
    band_changes = answers(parts) - score
    # One window after the other: all cells at once of a long clip would not fit in memory.
    changes = np.stack([answers(window * parts) for window in windows]) - score
    return OcclusionResult(
        score=float(score),
        times_s=tuple(times_s.tolist()),
        bands_hz=tuple(bands_hz.tolist()),
        time_changes=tuple(time_changes.tolist()),
        band_changes=tuple(band_changes.tolist()),
        changes=tuple(map(tuple, changes.tolist())),
        telling=_telling(changes, times_s, bands_hz),
        repeated_from_s=len(waveform) / _RATE_HZ if len(waveform) < len(clip) else None,
        attenuation_db=ATTENUATION_DB,
    )


def num_passes(num_samples: int, *, window_s: float = 0.25, bands: int = 8) -> int:
    """How many clips `occlude` scores, of a model that hears so many samples."""
    return (_num_windows(num_samples, window_s) + 1) * (bands + 1)


def _num_windows(num_samples: int, window_s: float) -> int:
    return max(1, round(num_samples / _RATE_HZ / window_s))


def _split(clip: Waveform, bands_hz: NDArray[np.float64]) -> _Parts:
    """Parts of a clip that sum up to it, (bands, samples), in phase with it."""
    # The end must not flow into the start: an FFT takes them for neighbours.
    padded = len(clip) + round(2 / _CROSSING_HZ * _RATE_HZ)
    spectrum = np.fft.rfft(clip.astype(np.float64), padded)
    shares = _shares(np.fft.rfftfreq(padded, 1 / _RATE_HZ), bands_hz, _CROSSING_HZ)
    return np.fft.irfft(shares * spectrum, padded)[:, : len(clip)]


def _shares(places: NDArray[np.floating], edges: NDArray[np.float64], fade: float) -> _Parts:
    """How much of each place belongs to each stretch between edges: (stretches, places), summing up to 1.

    Around an inner edge, one stretch fades into the next as a raised cosine as wide as ``fade``.
    """
    passed = np.clip((places - edges[1:-1, None]) / fade + 0.5, 0, 1)
    beyond = (1 - np.cos(np.pi * passed)) / 2
    beyond = np.concatenate([np.ones((1, len(places))), beyond, np.zeros((1, len(places)))])
    return beyond[:-1] - beyond[1:]


def _telling(changes: _Parts, times_s: NDArray[np.float64], bands_hz: NDArray[np.float64]) -> Cell:
    window, band = divmod(int(np.abs(changes).argmax()), changes.shape[1])
    return Cell(
        start_s=times_s[window],
        end_s=times_s[window + 1],
        low_hz=bands_hz[band],
        high_hz=bands_hz[band + 1],
        change=changes[window, band],
    )
