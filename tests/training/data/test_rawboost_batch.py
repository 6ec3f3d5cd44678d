"""RawBoost of a batch: the same as clip by clip."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from moe_mamba_asv.audio.augment.rawboost import DrawnRawBoost, RawBoost, apply_rawboost, draw_rawboost
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.data.rawboost_batch import draw_batch, rawboost_batch


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng([7, row]) for row in range(count)]


def sounds(count: int, num_samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (count, num_samples)).astype(np.float32)


@pytest.mark.parametrize("algorithm", range(9))
def test_a_batch_is_what_the_transform_makes_of_each_clip(algorithm: int) -> None:
    transform, waveforms = RawBoost(algorithm=algorithm, p=0.6), sounds(6, 5_000)
    before = torch.from_numpy(waveforms.copy())
    draws = draw_batch(transform, 5_000, generators(6))
    assert 0 < sum(drawn is None for drawn in draws) < 6
    changed = rawboost_batch(before, draws)
    assert changed.dtype == torch.float32
    np.testing.assert_array_equal(before.numpy(), waveforms)
    for row, rng in enumerate(generators(6)):
        np.testing.assert_allclose(changed[row].numpy(), transform(waveforms[row], rng), rtol=0, atol=1e-5)


def test_clips_of_one_batch_may_have_other_algorithms_and_settings() -> None:
    waveforms = sounds(10, 3_000).astype(np.float64)
    configs = [RawBoost(algorithm=algorithm) for algorithm in (8, 0, 4, 1, 2, 3, 5, 6, 7)]
    configs.append(RawBoost(algorithm=8, num_powers=2, num_bands=9, max_taps=200))
    draws = [draw_rawboost(config, 3_000, rng) for config, rng in zip(configs, generators(10), strict=True)]
    changed = rawboost_batch(torch.from_numpy(waveforms), draws)
    assert changed.dtype == torch.float64
    for row, drawn in enumerate(draws):
        np.testing.assert_allclose(changed[row].numpy(), apply_rawboost(waveforms[row], drawn), rtol=0, atol=1e-10)


@pytest.mark.parametrize("num_samples", [1, 400])
def test_silence_stays_silence(num_samples: int) -> None:
    draws = [
        draw_rawboost(RawBoost(algorithm=algorithm), num_samples, rng) for algorithm, rng in enumerate(generators(9))
    ]
    assert not rawboost_batch(torch.zeros(9, num_samples), draws).any()


def test_nothing_drawn_leaves_a_batch_as_it_is() -> None:
    waveforms = torch.from_numpy(sounds(2, 50))
    assert torch.equal(rawboost_batch(waveforms, [None, None]), waveforms)


@pytest.mark.parametrize(("lengths", "said"), [([50], "1 draws"), ([50, 49], r"clips of \[49, 50\] samples")])
def test_draws_that_do_not_fit_are_refused(lengths: Sequence[int], said: str) -> None:
    rng = np.random.default_rng(0)
    draws: list[DrawnRawBoost | None] = [draw_rawboost(RawBoost(), length, rng) for length in lengths]
    with pytest.raises(TrainingError, match=said):
        rawboost_batch(torch.zeros(2, 50), draws)
