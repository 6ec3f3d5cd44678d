"""Spectrograms of sounds that are compared: one time axis, one frequency axis, one scale of level."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from moe_mamba_asv.audio.resample import SAMPLE_RATE_HZ

#: Levels are shown from this far below the loudest point up to it.
_RANGE_DB = 80
#: As far as an eye can tell levels apart; finer steps only make the file larger.
_STEP_DB = 2.5
_WINDOW_SAMPLES = 512  # 32 ms: harmonics of a low voice are told apart
_NUM_COLUMNS, _NUM_ROWS = 280, 128
_SIZE_IN, _DPI = (4.7, 2.5), 150
#: A dark card on light and dark pages alike: a spectrogram is dark itself.
_CARD, _LETTERS = "#14141d", "#e4e9ef"
_NUM_LEVELS, _NUM_GREYS = round(_RANGE_DB / _STEP_DB) + 1, 24
_COLOURS = mpl.colormaps["magma"].resampled(_NUM_LEVELS)
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": _LETTERS,
    "axes.edgecolor": _LETTERS,
    "axes.labelcolor": _LETTERS,
    "xtick.color": _LETTERS,
    "ytick.color": _LETTERS,
    "figure.facecolor": _CARD,
}


def draw_spectrograms(waveforms: Sequence[NDArray[np.floating]]) -> list[bytes]:
    """Draw sounds as PNG files of 705 by 375 pixels.

    Level is in dB below the loudest point of all of them, so that a colour is the same level in each; all time axes
    run to the end of the longest.

    Args:
        waveforms: each of shape (samples,), 16 kHz, at least one sample; of any lengths.

    Returns:
        The pictures, in the same order.
    """
    num_samples = max((len(waveform) for waveform in waveforms), default=0)
    powers = [_power(waveform, num_samples) for waveform in waveforms]
    # Where all is digital silence there is no loudest point; it is drawn as the lowest level.
    loudest = max((power.max() for power in powers), default=0.0) or 1.0
    return [_draw(power / loudest, num_samples) for power in powers]


def _power(waveform: NDArray[np.floating], num_samples: int) -> NDArray[np.float64]:
    """Power of (rows, columns), from 0 to 8 kHz and from 0 to `num_samples`; nothing after the sound's own end."""
    around = _WINDOW_SAMPLES // 2
    padded = np.pad(np.asarray(waveform, dtype=np.float64), (around, around + num_samples - len(waveform)))
    centres = np.linspace(0, num_samples - 1, _NUM_COLUMNS).round().astype(int)
    frames = padded[centres[:, None] + np.arange(_WINDOW_SAMPLES)] * np.hanning(_WINDOW_SAMPLES)
    power = np.abs(np.fft.rfft(frames, axis=1)[:, 1:]) ** 2
    # Neighbouring bins together: the picture has no room for all 256.
    return power.reshape(_NUM_COLUMNS, _NUM_ROWS, -1).mean(axis=2).T


def _draw(power: NDArray[np.float64], num_samples: int) -> bytes:
    level_db = 10 * np.log10(np.maximum(power, 10 ** (-_RANGE_DB / 10)))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_IN, dpi=_DPI, layout="constrained")
        axes = figure.subplots()
        picture = axes.imshow(
            level_db,
            origin="lower",
            aspect="auto",
            interpolation="nearest",
            cmap=_COLOURS,
            vmin=-_RANGE_DB,
            vmax=0,
            extent=(0, num_samples / SAMPLE_RATE_HZ, 0, SAMPLE_RATE_HZ / 2000),
        )
        axes.set(xlabel="time (s)", ylabel="frequency (kHz)", yticks=range(0, 9, 2))
        figure.colorbar(picture, label="level (dB)", ticks=range(-_RANGE_DB, 1, 20), pad=0.02)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    # A self-contained page holds dozens of these: a palette takes a third of the bytes of true colour.
    image = Image.fromarray(pixels).quantize(palette=_palette(), dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def _palette() -> Image.Image:
    """The colours of all levels, and those between the card and its letters."""
    levels = _COLOURS(np.arange(_NUM_LEVELS))[:, :3]
    card, letters = (np.array(to_rgb(colour)) for colour in (_CARD, _LETTERS))
    greys = card + np.linspace(0, 1, _NUM_GREYS)[:, None] * (letters - card)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * np.concatenate([levels, greys])).astype(np.uint8).tobytes())
    return palette
