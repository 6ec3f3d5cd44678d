"""RawBoost of a whole batch at once, on any device, by what was drawn for each clip."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from moe_mamba_asv.audio.augment.notch_filters import NotchFilters, block_layout, notch_taps
from moe_mamba_asv.audio.augment.rawboost import DrawnRawBoost, RawBoost, draw_rawboost
from moe_mamba_asv.audio.augment.transform import Transform
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.batch import Batch
from moe_mamba_asv.training.data.clips import augmentation_rng


def boosted(batch: Batch, transform: Transform, seed: int, step: int) -> Batch:
    """A batch with RawBoost done to it: each clip as the loader would have drawn it, see `Clips`.

    Raises:
        TrainingError: the transform is another one.
    """
    if not isinstance(transform, RawBoost):
        raise TrainingError(f"{type(transform).__name__} of a batch", wanted="RawBoost")
    rngs = [augmentation_rng(seed, step, row) for row in batch.rows.tolist()]
    draws = draw_batch(transform, batch.waveforms.shape[1], rngs)
    return replace(batch, waveforms=rawboost_batch(batch.waveforms, draws))


def draw_batch(
    transform: RawBoost, num_samples: int, rngs: Sequence[np.random.Generator]
) -> list[DrawnRawBoost | None]:
    """Draw for each clip from its own generator, as calling the transform with it would; None changes nothing."""
    return [draw_rawboost(transform, num_samples, rng) if rng.random() < transform.p else None for rng in rngs]


def rawboost_batch(waveforms: Tensor, draws: Sequence[DrawnRawBoost | None]) -> Tensor:
    """Do to each clip what was drawn for it: the same as `apply_rawboost` clip by clip, up to rounding.

    Args:
        waveforms: shape (batch, samples), float32 or float64 on any device; not written to.
        draws: one a clip; None leaves it as it is. Algorithms may differ.

    Returns:
        Shape (batch, samples), of the same type and device.

    Raises:
        TrainingError: there are more or fewer draws than clips, or one is for another length.
    """
    batch, num_samples = waveforms.shape
    lengths = {drawn.num_samples for drawn in draws if drawn is not None}
    if len(draws) != batch or lengths - {num_samples}:
        raise TrainingError(
            f"{len(draws)} draws for clips of {sorted(lengths)} samples, given {batch} clips of {num_samples}",
            wanted="a draw for each clip, of its length",
        )
    changed = waveforms.clone()
    known = [(row, drawn) for row, drawn in enumerate(draws) if drawn is not None]
    if convolutive := {row: drawn.convolutive for row, drawn in known if drawn.convolutive is not None}:
        filtered = _filter_powers(waveforms[list(convolutive)], list(convolutive.values()))
        changed[list(convolutive)] = _limit(filtered - filtered.mean(1, keepdim=True))
    _add_impulses(changed, waveforms, known)
    if noises := {row: drawn.noise for row, drawn in known if drawn.noise is not None}:
        rows = list(noises)
        white = torch.from_numpy(np.stack([noise.white for noise in noises.values()])).to(waveforms)
        coloured = _filter_powers(white, [noise.colour for noise in noises.values()])
        levels = waveforms.new_tensor([10 ** (-noise.snr_db / 20) for noise in noises.values()])
        norms = coloured.norm(dim=1)
        levels *= changed[rows].norm(dim=1) / torch.where(norms == 0, 1, norms)
        changed[rows] += coloured * levels[:, None]
    return changed


def _add_impulses(changed: Tensor, waveforms: Tensor, known: Sequence[tuple[int, DrawnRawBoost]]) -> None:
    """Multiply samples in place, and add up what stands side by side."""
    impulses = {row: drawn.impulses for row, drawn in known if drawn.impulses is not None}
    if not impulses:
        return
    side_by_side = [row for row, drawn in known if drawn.side_by_side]
    filtered = changed[side_by_side]
    changed[side_by_side] = waveforms[side_by_side]
    rows, samples = list(impulses), changed.shape[1]
    places = np.concatenate([row * samples + one.positions for row, one in impulses.items()])
    gains = np.concatenate([1 + one.factors for one in impulses.values()])
    changed.view(-1)[torch.from_numpy(places).to(changed.device)] *= torch.from_numpy(gains).to(changed)
    changed[rows] = _limit(changed[rows])
    changed[side_by_side] = _limit(changed[side_by_side] + filtered)


def _filter_powers(waveforms: Tensor, filters: Sequence[NotchFilters]) -> Tensor:
    """As `filter_powers` of the room of audio does, for each row by its own filters."""
    taps = [notch_taps(one) for one in filters]
    half = max(one.shape[1] for one in taps) // 2
    block, hop, count = block_layout(waveforms.shape[1], half)
    gains = torch.fft.rfft(torch.from_numpy(_without_delay(taps, block)).to(waveforms)).real
    num_after = count * hop + 2 * half - (half - 1) - waveforms.shape[1]
    padded = pad(waveforms, (half - 1, num_after))
    power = padded
    summed = torch.fft.rfft(power.unfold(1, block, hop)) * gains[:, 0, None]
    # One power after the other: all at once need more memory than caches have, and take twice as long on a CPU.
    for index in range(1, gains.shape[1]):
        power = power * padded
        summed.addcmul_(torch.fft.rfft(power.unfold(1, block, hop)), gains[:, index, None].to(summed.dtype))
    filtered = torch.fft.irfft(summed, block)
    return filtered[..., half : block - half].flatten(1)[:, : waveforms.shape[1]]


def _without_delay(taps: Sequence[NDArray[np.float64]], size: int) -> NDArray[np.float64]:
    """One array for all clips, (clips, powers, size), from the middle tap on; absent powers have zeros."""
    moved = np.zeros((len(taps), max(map(len, taps)), size))
    for row, one in zip(moved, taps, strict=True):
        half = one.shape[1] // 2
        row[: len(one), : half + 1], row[: len(one), size - half :] = one[:, half:], one[:, :half]
    return moved


def _limit(waveforms: Tensor) -> Tensor:
    return waveforms / waveforms.abs().amax(1, keepdim=True).clamp(min=1)
