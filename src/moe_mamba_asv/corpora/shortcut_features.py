"""What tells a clip's origin without listening to its voice: eight features, measured in one decoding."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from moe_mamba_asv.audio.facts import measure, noise_floor_db, speech_bounds
from moe_mamba_asv.audio.load import load_16k
from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ
from moe_mamba_asv.corpora.check import QUEUED, Progress
from moe_mamba_asv.errors import AudioError

#: Each feature is a vector, mostly of one number; the codec traces are three.
FEATURES = (
    "duration",
    "level",
    "peak",
    "leading silence",
    "trailing silence",
    "bandwidth",
    "noise floor",
    "codec traces",
)

_FFT_SAMPLES = 512
#: Codecs spend bits below this; what they leave out lies above.
_TRACES_FROM_HZ = 2_000
#: Frames this far below the loudest are pauses; the noise floor looks at these.
_ACTIVE_DB = 30.0
#: A cell this far below its neighbours is a hole: of noise, 3 cells in 1,000 are.
_HOLE_DB = 25.0
#: Uncoded speech has about so much of each; less of it tells voices and vocoders apart, not codecs.
_NATURAL_HOLES, _NATURAL_EDGE_DB, _NATURAL_MISSING = 0.01, 15.0, 0.25
_NEIGHBOURS = 17
_EDGE_BINS = 8
_VALUE_BANDS = 16
_SILENT = 1e-12


def measure_files(rows: pl.DataFrame, on_progress: Progress) -> tuple[pl.DataFrame, list[str]]:
    """Decode each file once and measure each of `FEATURES` on it at 16 kHz, as a model hears it.

    Args:
        rows: an utterance table, all of it with paths.
        on_progress: called with files done and all files.

    Returns:
        The rows of the files that could be decoded, with a list column of numbers for each of `FEATURES`, and
        ``utterance: reason`` of each other file.
    """

    def measure_one(path: str) -> dict[str, tuple[float, ...]] | str:
        try:
            return shortcut_features(load_16k(Path(path)))
        except AudioError as error:
            return str(error)

    kept: list[int] = []
    values: list[dict[str, tuple[float, ...]]] = []
    undecodable = []
    paths = rows["path"].to_list()
    with ThreadPoolExecutor() as pool:
        # In parts, so that an interrupted audit need not decode everything that waits.
        starts = range(0, len(paths), QUEUED)
        answers = (answer for start in starts for answer in pool.map(measure_one, paths[start : start + QUEUED]))
        for index, answer in enumerate(answers):
            if isinstance(answer, str):
                undecodable.append(f"{rows['utterance'][index]}: {answer}")
            else:
                kept.append(index)
                values.append(answer)
            on_progress(index + 1, len(paths))
    columns = pl.DataFrame({name: [value[name] for value in values] for name in FEATURES})
    return pl.concat([rows[kept], columns], how="horizontal"), undecodable


def shortcut_features(waveform: NDArray[np.floating]) -> dict[str, tuple[float, ...]]:
    """Measure each of `FEATURES` on a mono waveform of shape (samples,) at 16 kHz.

    Raises:
        AudioError: the waveform is empty.
    """
    facts = measure(waveform)
    return {
        "duration": (facts.duration_s,),
        "level": (facts.level_dbfs,),
        "peak": (facts.peak,),
        "leading silence": (facts.leading_silence_s,),
        "trailing silence": (facts.trailing_silence_s,),
        "bandwidth": (facts.bandwidth_hz,),
        "noise floor": (noise_floor_db(waveform),),
        "codec traces": codec_traces(waveform),
    }


def codec_traces(waveform: NDArray[np.floating]) -> tuple[float, float, float]:
    """Look for what coding left behind: holes, a steep edge, missing sample values.

    * Holes: share of the spectrogram's cells above 2 kHz that lie 25 dB below the mean of the 17 cells around them
      in frequency. A transform codec (MP3, AAC, Opus) leaves out bands that it takes for inaudible.
    * Edge: largest fall in dB of the long-term spectrum above 2 kHz from one 250 Hz to the next. Telephony and
      low bit rates cut the band off more steeply than a microphone.
    * Missing values: of the 16-bit values that so many samples should have taken around zero, how many times fewer
      were taken, as log2. A-law, µ-law, 8 bits and a gain after quantisation skip values.

    What uncoded speech has as well (1 % of holes, an edge of 15 dB, a quarter octave) is answered as that much. A
    vocoder may leave more of it too; then the trace is of the fake itself, and no shortcut of the corpus.

    Args:
        waveform: mono, shape (samples,), at 16 kHz, full scale 1.0.

    Returns:
        ``(hole share, edge in dB, missing values in octaves)``.

    Raises:
        AudioError: the waveform is empty.
    """
    power = _active_power(waveform)
    lowest = _TRACES_FROM_HZ * _FFT_SAMPLES // SAMPLE_RATE_HZ
    around = _mean_around(power)[:, lowest:]
    holes = np.mean(power[:, lowest:] < around * 10 ** (-_HOLE_DB / 10))
    start, end = speech_bounds(waveform)
    edge_db = _steepest_fall_db(power.mean(axis=0), lowest)
    missing = _missing_values(waveform[start:end])
    return max(float(holes), _NATURAL_HOLES), max(edge_db, _NATURAL_EDGE_DB), max(missing, _NATURAL_MISSING)


def _active_power(waveform: NDArray[np.floating]) -> NDArray[np.float32]:
    """Spectrogram (frames, bins) of the frames near the loudest."""
    samples = np.asarray(waveform, dtype=np.float32)
    padded = np.pad(samples, (0, max(0, _FFT_SAMPLES - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[:: _FFT_SAMPLES // 2]
    energy = np.square(frames).sum(axis=1)
    active = frames[energy >= energy.max() * 10 ** (-_ACTIVE_DB / 10)]
    spectrum = np.fft.rfft(active * np.hanning(_FFT_SAMPLES).astype(np.float32))
    return (spectrum.real**2 + spectrum.imag**2).astype(np.float32)


def _mean_around(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean (frames, bins) of the `_NEIGHBOURS` cells around each in frequency; the ends are mirrored."""
    half = _NEIGHBOURS // 2
    mirrored = np.pad(power.astype(np.float64), ((0, 0), (half, half)), mode="symmetric")
    # Added anew for each cell: the difference of running sums would leave the quiet bins the loud ones' rounding.
    around = np.lib.stride_tricks.sliding_window_view(mirrored, _NEIGHBOURS, axis=1)
    return around.mean(axis=2).astype(np.float32)


def _steepest_fall_db(power: NDArray[np.floating], lowest: int) -> float:
    level_db = 10 * np.log10(np.asarray(power, dtype=np.float64) + _SILENT)
    below_and_above = np.convolve(level_db, np.full(_EDGE_BINS, 1 / _EDGE_BINS), mode="valid")
    falls = below_and_above[:-_EDGE_BINS] - below_and_above[_EDGE_BINS:]
    return float(falls[lowest - _EDGE_BINS :].max())


def _missing_values(samples: NDArray[np.floating]) -> float:
    """Octaves between the values that the middle half of the samples should have taken and those that it took."""
    values = np.rint(np.asarray(samples, dtype=np.float64) * 2**15).astype(np.int64)
    # Bands of like many samples: within one of them, every value is about as likely.
    edges = np.unique(np.quantile(values, np.linspace(0.25, 0.75, _VALUE_BANDS + 1)).astype(np.int64))
    edges = np.append(edges, edges[-1] + 1)
    taken, times = np.unique(values[(values >= edges[0]) & (values < edges[-1])], return_counts=True)
    in_band = np.histogram(taken, edges, weights=times)[0]
    values_of_band = np.diff(edges)
    expected = np.sum(values_of_band * -np.expm1(-in_band / values_of_band))
    return float(np.log2(expected / len(taken)))
